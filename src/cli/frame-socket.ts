import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { FrameParser, framed } from '../net/frame-stream.ts';
import type { FrameReceiver, NetPort } from '../vm/index.ts';

/** Bytes that may wait for the other side. */
const MOST_WAITING_BYTES = 4 << 20;

/** Plugs a socket into a port: frames go both ways until either end is closed. @param closed told once when the socket is gone */
export function plugSocket(port: NetPort, socket: Socket, closed: () => void = () => {}): void {
  const parser = new FrameParser((frame) => port.send(frame));
  socket.setNoDelay(true);
  socket.on('data', (bytes: Uint8Array) => {
    if (!parser.push(bytes)) socket.destroy();
  });
  socket.on('error', () => {});
  socket.on('close', closed);
  port.onFrame((frame) => sendFrame(socket, frame));
}

/** A port whose other end is at the other side of a socket. */
export function socketPort(socket: Socket): NetPort {
  return streamPort(socket, socket);
}

/** A port whose other end is at the other ends of two streams. */
export function streamPort(input: Readable, output: Writable): NetPort {
  let receive: FrameReceiver = () => {};
  const parser = new FrameParser((frame) => receive(frame));
  input.on('data', (bytes: Uint8Array) => {
    if (!parser.push(bytes)) input.destroy();
  });
  for (const stream of [input, output]) stream.on('error', () => {});
  return {
    send: (frame) => sendFrame(output, frame),
    onFrame(to) {
      receive = to;
    },
  };
}

function sendFrame(socket: Writable, frame: Uint8Array): boolean {
  if (!socket.writable) return true;
  if (socket.writableLength > MOST_WAITING_BYTES) return false;
  socket.write(framed(frame));
  return true;
}
