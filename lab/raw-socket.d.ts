// The part of the optional dependency raw-socket that the measuring client uses.
declare module 'raw-socket' {
  interface RawSocket {
    on(event: 'message', listener: (packet: Buffer, source: string) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    send(
      packet: Buffer, offset: number, length: number, address: string,
      after: (error: Error | null, bytes: number) => void,
    ): this
    close(): void
  }
  const raw: {
    readonly Protocol: { readonly ICMP: number }
    createSocket(options: { readonly protocol: number }): RawSocket
    createChecksum(packet: Buffer): number
    writeChecksum(packet: Buffer, offset: number, checksum: number): Buffer
  }
  export default raw
}
