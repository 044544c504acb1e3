import { ByteWriter } from '../base/bytes.ts';
import type { Clock, FrameReceiver, NetPort } from '../machine/interfaces.ts';

/** The classic format of capture files with nanoseconds (IETF draft-ietf-opsawg-pcap section 4). */
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const VERSION = { major: 2, minor: 4 } as const;
const LINKTYPE_ETHERNET = 1;
const MOST_FRAME_BYTES = 0x40000;
const NANOS_PER_SECOND = 1_000_000_000n;

/** The beginning of a capture file. */
export function pcapHeader(): Uint8Array {
  const { major, minor } = VERSION;
  const writer = new ByteWriter().u32(MAGIC_NANOSECONDS).u16(major).u16(minor).u32(0).u32(0);
  return writer.u32(MOST_FRAME_BYTES).u32(LINKTYPE_ETHERNET).finish();
}

/** A frame as it stands in a capture file. @param nanos since 1970-01-01 00:00 UTC */
export function pcapRecord(frame: Uint8Array, nanos: bigint): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(Number((nanos / NANOS_PER_SECOND) & 0xffffffffn)).u32(Number(nanos % NANOS_PER_SECOND));
  return writer.u32(frame.length).u32(frame.length).append(frame).finish();
}

/**
 * A link whose frames, both ways, are written down on their way. Large segments and open checksums are written as they
 * are, as captures show them on hosts whose cards do that work.
 * @param startNanos when the clock began, since 1970-01-01 00:00 UTC
 * @param write takes a piece of the capture file
 */
export function captured(port: NetPort, clock: Clock, startNanos: bigint, write: (bytes: Uint8Array) => void): NetPort {
  const note = (frame: Uint8Array) => write(pcapRecord(frame, startNanos + clock.nowNanos()));
  return {
    get takesOffload() {
      return port.takesOffload;
    },
    send(frame, offload) {
      const isTaken = port.send(frame, offload);
      if (isTaken) note(frame);
      return isTaken;
    },
    onFrame(receive: FrameReceiver, takesOffload) {
      port.onFrame((frame, offload) => {
        const isTaken = receive(frame, offload);
        if (isTaken !== false) note(frame);
        return isTaken;
      }, takesOffload);
    },
  };
}
