import type { FrameReceiver, NetPort } from '../machine/interfaces.ts';

/** Frames over a WebSocket: each is one binary message. */

/** Bytes that may wait for the other side. */
const MOST_WAITING_BYTES = 4 << 20;
/** The longest frame: an Ethernet header with a tag, and an IP packet as large as there are. */
const MOST_FRAME_BYTES = 0x10000 + 18;
const OPEN = 1;

/** What a port uses of a WebSocket, a browser's, Node's or that of the package `ws` (WHATWG WebSockets section 3.1). */
export interface FrameSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  addEventListener(type: 'message', listener: (event: { readonly data?: unknown }) => void): void;
}

/** A port whose other end is at the other side of a WebSocket. What is no frame is passed over. */
export function webSocketPort(socket: FrameSocket): NetPort {
  let receive: FrameReceiver = () => {};
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer && data.byteLength <= MOST_FRAME_BYTES) receive(new Uint8Array(data));
  });
  return {
    send(frame) {
      if (socket.readyState !== OPEN) return true;
      if (socket.bufferedAmount > MOST_WAITING_BYTES) return false;
      socket.send(frame.slice());
      return true;
    },
    onFrame(to) {
      receive = to;
    },
  };
}
