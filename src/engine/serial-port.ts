// Opening and setting up serial lines; replaced by the real one as soon as the engine reads lines.
export interface SerialLine { readonly fd: number; readonly baud: number; close(): void }
export function openSerialLine(o: { path: string; baud: number; lock: boolean }): Promise<SerialLine> { return Promise.reject(new Error('not there yet ' + o.path)) }
