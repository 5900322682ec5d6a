// The part of the optional dependency raw-socket that is used here and in the lab.
declare module 'raw-socket' {
  export interface RawSocket {
    on(event: 'message', listener: (packet: Buffer, source: string) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    send(
      packet: Buffer, offset: number, length: number, address: string,
      after: (error: Error | null, bytes: number) => void,
    ): this
    /** `before` runs in the moment in which the packet is handed to the kernel. */
    send(
      packet: Buffer, offset: number, length: number, address: string,
      before: () => void, after: (error: Error | null, bytes: number) => void,
    ): this
    close(): void
  }
  const raw: {
    readonly Protocol: { readonly ICMP: number; readonly ICMPv6: number }
    readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number }
    createSocket(options: { readonly protocol: number; readonly addressFamily?: number }): RawSocket
    createChecksum(packet: Buffer): number
    writeChecksum(packet: Buffer, offset: number, checksum: number): Buffer
  }
  export default raw
}
