// Branded primitives: a plain number or string cannot be passed where one of these is meant.

/** Microseconds of CLOCK_BOOTTIME, or a duration in microseconds where the name says so. */
export type Micros = number & { readonly micros: unique symbol }
/** Node name exactly as configured: lower case, as it travels in `src`. */
export type NodeId = string & { readonly nodeId: unique symbol }
/** Key of a resource group: the first resource of its haresources line. */
export type GroupId = string & { readonly groupId: unique symbol }

export const micros = (value: number): Micros => value as Micros
export const nodeId = (value: string): NodeId => value as NodeId
export const groupId = (value: string): GroupId => value as GroupId
