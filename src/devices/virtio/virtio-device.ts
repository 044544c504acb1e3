import type { DeviceState } from '../../machine/interfaces.ts';
import type { Virtqueue } from './virtqueue.ts';

/** Device types (virtio 1.2 section 5). */
export const VIRTIO_TYPE = {
  net: 1,
  block: 2,
  console: 3,
  entropy: 4,
  balloon: 5,
  scsi: 8,
  ninep: 9,
  gpu: 16,
  input: 18,
  vsock: 19,
} as const;

/** Feature bits that belong to no device type (virtio 1.2 section 6), and those of the legacy interface. */
export const VIRTIO_F = {
  notifyOnEmpty: 1n << 24n,
  anyLayout: 1n << 27n,
  indirectDescriptors: 1n << 28n,
  eventIndex: 1n << 29n,
  version1: 1n << 32n,
  ringReset: 1n << 40n,
} as const;

/** What a device reaches of its transport. */
export interface VirtioPort {
  /** The features that driver and device agreed on; none before they did. */
  readonly features: bigint;
  /** Whether the driver is ready for buffers to be used. */
  readonly driverOk: boolean;
  /** The device's queues, as many as it has sizes for. */
  readonly queues: readonly Virtqueue[];
  /** Tells the driver that the configuration has changed. */
  configChanged(): void;
  /** Has the device look at a queue for a reason of its own, again when it met an absent page. */
  notify(queue: number): void;
}

/**
 * What is behind a virtio transport: one type of device.
 *
 * `notify` runs again from its start when it met an absent page, and may be called when nothing is there to do.
 * The saved state is that of the device alone: its queues are the transport's.
 */
export interface VirtioDevice {
  /** One of {@link VIRTIO_TYPE}. */
  readonly type: number;
  /** The device type's feature bits that are offered. */
  readonly features: bigint;
  /** Entries of each queue at most: powers of two. */
  readonly queueSizes: readonly number[];
  /** The device's configuration as the driver sees it now. */
  readonly config: Uint8Array;
  /** Called once, before anything else. */
  connect(port: VirtioPort): void;
  /** Looks at a queue: buffers may have been made available. @throws {PageAbsent} nothing is lost when it is called again */
  notify(queue: number): void;
  /** The driver has written a field of the configuration. The device decides what becomes of it. */
  configWritten?(offset: number, size: number, value: number): void;
  save(): DeviceState;
  restore(state: DeviceState): void;
}
