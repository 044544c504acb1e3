/** What the user-mode network needs of its host. Nothing here is called back before the call that caused it has returned. */

/** Why a stream came to nothing. */
export type HostFailure = 'refused' | 'unreachable' | 'timeout' | 'reset';

/** An address and port; 4 or 16 bytes of address. */
export interface HostEndpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

/** A two-way stream of bytes to somewhere outside: a TCP connection or a Unix socket. */
export interface HostStream {
  /** Bytes that were written and that the host has not taken yet. */
  readonly queuedBytes: number;
  /** Writes bytes, which nobody changes afterwards. */
  write(bytes: Uint8Array): void;
  /** No more will be written. */
  end(): void;
  /** Breaks both directions at once; the listener hears no more. */
  reset(): void;
  /** Has incoming bytes wait outside, or come again. */
  setFlowing(flows: boolean): void;
}

/** Who hears of a {@link HostStream}. */
export interface StreamListener {
  /** The stream is open both ways. */
  opened(): void;
  data(bytes: Uint8Array): void;
  /** The other side will send no more. */
  ended(): void;
  /** Written bytes have been taken. */
  drained(): void;
  /** The stream is gone; nothing follows. */
  failed(why: HostFailure): void;
}

/** A stream that came from outside: whoever takes it names the listener. It is open already. */
export type IncomingStream = (listener: StreamListener) => HostStream;

/** The host's end of a guest's virtio sockets. */
export interface VsockHost {
  /** A program of the guest connects to a port of the host. */
  connect(port: number, listener: StreamListener): HostStream;
  /** Says where connections from the host go. @param accept takes one to a port of the guest, and tells the port that it has
   * on the host once the guest has accepted it; one that the guest refuses is reset. It answers false where that cannot be. */
  onConnection(accept: (port: number, stream: IncomingStream, accepted: (hostPort: number) => void) => boolean): void;
}

/** A UDP socket. */
export interface HostDatagrams {
  send(bytes: Uint8Array, to: HostEndpoint): void;
  close(): void;
}

/** Told of a datagram that came from outside. */
export type DatagramReceiver = (bytes: Uint8Array, from: HostEndpoint) => void;

/** The host's own network. */
export interface NetHost {
  connect(to: HostEndpoint, listener: StreamListener): HostStream;
  /** Opens a socket at a port of the host's choice. @param isIpv6 of which kind addresses are */
  openDatagrams(isIpv6: boolean, receive: DatagramReceiver): HostDatagrams;
  /** Addresses of a name, by all that the host knows names from; none where it has none of the kind.
   * @throws {Error} they cannot be had now */
  lookUp(name: string, isIpv6: boolean): Promise<readonly Uint8Array[]>;
  /** Has the host's name server answer a message. @throws {Error} it does not */
  queryDns(message: Uint8Array): Promise<Uint8Array>;
}

/** A datagram from outside for the guest. */
export interface ForwardedDatagram {
  readonly data: Uint8Array;
  /** Names the sender: what the guest sends back goes to the one that `reply` was given for. */
  readonly peer: string;
  readonly reply: (data: Uint8Array) => void;
}

/** What ports and sockets of the host lead to. A guest's address may be left out: it is then the one that is given first. */
export interface ForwardTarget {
  /** @returns false when there are too many connections */
  forwardStream(stream: IncomingStream, port: number, address?: Uint8Array): boolean;
  forwardDatagram(datagram: ForwardedDatagram, port: number, address?: Uint8Array): void;
}
