/**
 * The frozen interfaces between the machine, its chips, its processor and the outside world.
 *
 * A chip is given the narrowest of these through its constructor and never sees the processor, the board or another
 * chip. All chips and the boot processor run on one thread; chip code runs between slices of guest code or while the
 * guest executes one port or MMIO access, and is never re-entered.
 */

/** A level-sensitive interrupt line. Setting the level it already has is allowed and does nothing. */
export interface IrqLine {
  /** @param level true while the source asserts the line */
  set(level: boolean): void;
}

/** Accepts message-signalled interrupts (PCI 3.0 section 6.8): a 32-bit write of `data` to `address`. */
export interface MessageSink {
  message(address: number, data: number): void;
}

/** A one-shot timer made by a {@link Clock}. */
export interface Alarm {
  /** Arms the alarm, replacing an earlier deadline. A deadline that has passed fires at the next opportunity.
   * @param deadlineNanos nanoseconds since power-on */
  arm(deadlineNanos: bigint): void;
  /** Disarms the alarm; does nothing when it is not armed. */
  cancel(): void;
}

/** The only source of time inside a machine. */
export interface Clock {
  /** Nanoseconds since power-on; never goes backwards. While a guest reads a port this is the exact guest time. */
  nowNanos(): bigint;
  /** Makes a disarmed alarm. `fire` runs on the device thread, with `nowNanos()` at or after the deadline. */
  createAlarm(fire: () => void): Alarm;
}

/**
 * Guest-physical memory: the one gate through which everything but translated guest code reaches RAM.
 *
 * Views stay valid only until the next call into the machine. A range must lie inside one RAM region.
 */
export interface GuestMemory {
  /** Bytes of guest-physical address space up to the end of the highest RAM region. */
  readonly endGpa: number;
  /** A view for reading `length` bytes at guest-physical address `gpa`.
   * @throws {PageAbsent} a page has not been brought in yet  @throws {NotRam} the range is not all RAM */
  forRead(gpa: number, length: number): Uint8Array;
  /** As {@link forRead}, for writing: translated code and dirty tracking of these pages are told before it returns. */
  forWrite(gpa: number, length: number): Uint8Array;
  /** Does nothing but to throw what {@link forRead} would. */
  requirePresent(gpa: number, length: number): void;
}

/** Thrown by {@link GuestMemory} when a page must be brought in first: wait for `pageIn(gpa)` and do the whole thing again. */
export class PageAbsent extends Error {
  readonly gpa: number;
  constructor(gpa: number) {
    super(`guest page at 0x${gpa.toString(16)} is not present yet`);
    this.gpa = gpa;
  }
}

/** Thrown by {@link GuestMemory} for a range that is not RAM. */
export class NotRam extends Error {
  readonly gpa: number;
  constructor(gpa: number, length: number) {
    super(`guest-physical 0x${gpa.toString(16)}+${length} is not RAM`);
    this.gpa = gpa;
  }
}

/** A bus master's way to memory. Ranges outside RAM read as ones and swallow writes, as on a PC. */
export interface DmaPort {
  /** Fills `target` from guest-physical memory at `gpa`. Waits for absent pages. */
  read(gpa: number, target: Uint8Array): Promise<void>;
  /** Writes `source` to guest-physical memory at `gpa`. Waits for absent pages. */
  write(gpa: number, source: Uint8Array): Promise<void>;
}

/** The state of a chip: a plain JSON-able record (bigint, Uint8Array and nested records allowed) with a version. */
export interface DeviceState {
  readonly version: number;
  readonly [field: string]: unknown;
}

/**
 * A chip as the bus sees it: a bank of registers at offsets from a base it does not know.
 * Reset is `restore` of the state saved at power-on.
 */
export interface Device {
  /** @param offset bytes from the device's base  @param size 1, 2 or 4  @returns an unsigned value of that size */
  read(offset: number, size: number): number;
  /** @param value unsigned, of that size */
  write(offset: number, size: number, value: number): void;
  save(): DeviceState;
  /** @throws {Error} when the record is of an unknown version */
  restore(state: DeviceState): void;
}

/** What a chip has besides `read` and `write` where blocks of data go through a register, as through an IDE channel's data port. */
export interface BlockRegister {
  /** Fills `target` with what reads of `size` bytes at `offset` would give one after the other, as far as nothing else
   * would come of them: no interrupt, and no question about the time. @returns bytes filled, a multiple of `size` */
  readMany(offset: number, size: number, target: Uint8Array): number;
  /** Takes from `source` what writes would, likewise. @returns bytes taken */
  writeMany(offset: number, size: number, source: Uint8Array): number;
}

/** A disk, or anything with sectors. Offsets and lengths are bytes, multiples of 512. */
export interface BlockDevice {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Fills `targets` one after the other at once, where nothing has to be waited for. Its bytes are then those of no
   * other request under way. @returns false where it has to be waited for, or fails: what `targets` hold is then undefined */
  readNow?(offset: number, targets: readonly Uint8Array[]): boolean;
  write(offset: number, source: Uint8Array): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  /** Tells that the range's content is no longer needed; it may read as zeros afterwards. */
  discard(offset: number, length: number): Promise<void>;
  close(): Promise<void>;
}

/** What the sender of a frame has left to be done, as network cards do it for their drivers. Positions count from the frame's start. */
export interface FrameOffload {
  /** Where what the TCP or UDP checksum covers begins. */
  readonly checksumStart: number;
  /** Where that checksum stands: it holds the sum of the pseudo header alone. */
  readonly checksumAt: number;
  /** Most bytes of payload of the segments that a large TCP segment, of up to 64 KiB, is to be cut into; 0 when the frame is to stay whole. */
  readonly segmentBytes: number;
}

/** Where frames arrive. It answers false when it has no room for a frame, which may then be offered again. */
export type FrameReceiver = (frame: Uint8Array, offload?: FrameOffload) => unknown;

/** One end of an Ethernet link. Frames carry no FCS. Nobody changes the bytes of a frame that was sent. */
export interface NetPort {
  /** Whether the other end takes frames that something is left to be done to. */
  readonly takesOffload?: boolean;
  /** Sends a frame to the other end. @returns false when the other end's queue is full and the frame was not taken */
  send(frame: Uint8Array, offload?: FrameOffload): boolean;
  /** Where frames from the other end arrive.
   * @param takesOffload whether the receiver, now, takes frames that something is left to be done to; absent: never */
  onFrame(receive: FrameReceiver, takesOffload?: () => boolean): void;
}

/** A two-way stream of bytes: a serial line's or a console's outside end. */
export interface CharPort {
  /** Takes a byte from the guest. */
  send(byte: number): void;
  /** Where bytes from outside arrive. The receiver gives false for a byte it has no room for: offer it again later. */
  onByte(receive: (byte: number) => boolean): void;
}

/**
 * The outside end of a stream that moves many bytes at a time, such as a port of a virtio console. Its answers to the guest
 * are taken after each of these calls; the listener is for what happens outside of them.
 */
export interface ByteChannel {
  /** Takes bytes from the guest, which may change after the call. @returns false when there is no room: they come again after a call of the listener */
  send(bytes: Uint8Array): boolean;
  /** Bytes for the guest, up to `most` of them; none when there are none now. */
  take(most: number): Uint8Array;
  /** The guest begins or ceases to use its end: it may have restarted meanwhile, or have been restored. */
  opened(isOpen: boolean): void;
  /** @param listener called when there is something to take, or room again */
  onChange(listener: () => void): void;
}

/** Where a machine's sound goes: the host's side. */
export interface AudioSink {
  /** Frames a second that it wants. */
  readonly rateHz: number;
  /** Takes sound that follows what it got before; time in which nothing plays is left out.
   * @param samples interleaved stereo, signed 16 bits; valid only during the call */
  play(samples: Int16Array): void;
}

/** A sound chip's line to the {@link AudioSink}. */
export interface AudioVoice {
  /** Takes sound that follows what this voice got before: a second of frames in a second of guest time.
   * @param samples interleaved stereo, signed 16 bits  @param rateHz frames a second */
  play(samples: Int16Array, rateHz: number): void;
  /** The chip is silent until it plays again. */
  stop(): void;
}

/** Why guest code stopped executing. */
export type RunExit =
  | { readonly kind: 'budget' }
  | { readonly kind: 'halted' }
  | { readonly kind: 'pageIn'; readonly gpa: number }
  /** A breakpoint, watchpoint or step of a debugger. */
  | { readonly kind: 'debug' }
  | {
      readonly kind: 'shutdown';
      readonly reason: 'powerOff' | 'reset' | 'tripleFault' | 'panic' | 'debugExit';
      readonly code: number;
    };

/** One virtual processor as the run loop sees it. */
export interface VirtualCpu {
  /** Runs at most `instructions` instructions. */
  run(instructions: number): RunExit;
  save(): DeviceState;
  restore(state: DeviceState): void;
}
