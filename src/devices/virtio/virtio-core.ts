import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, DeviceState, GuestMemory } from '../../machine/interfaces.ts';
import { PageAbsent } from '../../machine/interfaces.ts';
import { VIRTIO_F, type VirtioDevice, type VirtioPort } from './virtio-device.ts';
import { Virtqueue } from './virtqueue.ts';

/** Device status (virtio 1.2 section 2.1). */
export const STATUS = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 64,
  failed: 128,
} as const;

/** What happened, as the ISR status tells (virtio 1.2 section 4.1.4.5). */
export const ISR = { queue: 1, configuration: 2 } as const;

/** No MSI-X vector. */
export const NO_VECTOR = 0xffff;

const TRANSPORT_FEATURES = VIRTIO_F.indirectDescriptors | VIRTIO_F.eventIndex | VIRTIO_F.version1 | VIRTIO_F.ringReset;
const LEGACY_FEATURES = VIRTIO_F.notifyOnEmpty | VIRTIO_F.anyLayout;
const FEATURES_OF_LEGACY = 0xffffffffn;
const STATE_VERSION = 1;

/** Where the core's interrupts go. */
export interface CoreInterrupts {
  /** Sends a message when MSI-X is on. @returns false when it is off and the pin has to tell */
  message(vector: number): boolean;
  /** Drives the interrupt pin. */
  pin(level: boolean): void;
}

/** What a core is connected to. */
export interface CoreWiring {
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly pageIn: (gpa: number) => Promise<void>;
  readonly interrupts: CoreInterrupts;
  /** Whether the legacy interface is there too. */
  readonly transitional: boolean;
}

/** What every virtio transport does the same: status, feature negotiation, queues and interrupts, behind any registers. */
export class VirtioCore implements VirtioPort {
  readonly device: VirtioDevice;
  readonly queues: readonly Virtqueue[];
  /** MSI-X vectors of the queues. */
  readonly vectors: number[];
  configVector: number = NO_VECTOR;
  /** Counts changes of the configuration. */
  generation = 0;
  /** The queue that the registers show; any 16-bit number. */
  queueSelect = 0;
  readonly #wiring: CoreWiring;
  readonly #atPowerOn: DeviceState;
  readonly #resume: Alarm;
  #status = 0;
  #driverFeatures = 0n;
  #isr = 0;

  constructor(device: VirtioDevice, wiring: CoreWiring) {
    this.device = device;
    this.#wiring = wiring;
    this.#atPowerOn = device.save();
    this.#resume = wiring.clock.createAlarm(() => this.#notifyAll());
    this.queues = device.queueSizes.map((size, index) => this.#makeQueue(size, index));
    this.vectors = this.queues.map(() => NO_VECTOR);
    device.connect(this);
  }

  /** What the device offers to a driver of the interface of version 1. */
  get offered(): bigint {
    return this.device.features | TRANSPORT_FEATURES | (this.#wiring.transitional ? LEGACY_FEATURES : 0n);
  }

  /** What the driver has accepted so far. */
  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  get features(): bigint {
    return this.#driverFeatures & this.offered;
  }

  get driverOk(): boolean {
    return (this.#status & STATUS.driverOk) !== 0;
  }

  get status(): number {
    return this.#status;
  }

  /** The queue that the registers show, if there is one. */
  get selected(): Virtqueue | undefined {
    return this.queues[this.queueSelect];
  }

  /** Sets 32 bits of the driver's features, until they are settled. @param word 0 or 1; there are no others */
  acceptFeatures(word: number, bits: number): void {
    if (word > 1 || this.#status & STATUS.featuresOk) return;
    const shift = BigInt(word * 32);
    const kept = this.#driverFeatures & ~(FEATURES_OF_LEGACY << shift);
    this.#driverFeatures = kept | (BigInt(bits >>> 0) << shift);
  }

  /** The driver writes the status: 0 resets, and bits are otherwise only added (virtio 1.2 section 2.1.1). */
  setStatus(value: number): void {
    if (value === 0) this.reset();
    else this.#addStatus(value);
  }

  #addStatus(value: number): void {
    const added = value & ~this.#status & ~STATUS.needsReset;
    const refused = added & STATUS.featuresOk && !this.#acceptable() ? STATUS.featuresOk : 0;
    this.#status |= added & ~refused;
    if (added & ~refused & (STATUS.featuresOk | STATUS.driverOk)) this.#settleFeatures();
    if (added & STATUS.driverOk) this.#notifyAll();
  }

  /** The driver says that a queue has buffers. */
  notify(index: number): void {
    const runs = this.driverOk && !(this.#status & STATUS.needsReset) && this.queues[index]?.enabled;
    if (!runs) return;
    try {
      this.device.notify(index);
    } catch (error) {
      if (!(error instanceof PageAbsent)) throw error;
      void this.#wiring.pageIn(error.gpa).then(() => this.notify(index));
    }
  }

  configChanged(): void {
    if (!this.driverOk) return;
    this.generation = (this.generation + 1) & 0xff;
    this.#interrupt(ISR.configuration, this.configVector);
  }

  /** What happened since the last time; reading it takes the interrupt back. */
  takeIsr(): number {
    const isr = this.#isr;
    this.#setIsr(0);
    return isr;
  }

  reset(): void {
    this.#status = 0;
    this.#driverFeatures = 0n;
    for (const queue of this.queues) queue.reset();
    this.vectors.fill(NO_VECTOR);
    this.configVector = NO_VECTOR;
    this.#setIsr(0);
    this.device.restore(this.#atPowerOn);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      status: this.#status,
      driverFeatures: this.#driverFeatures,
      isr: this.#isr,
      generation: this.generation,
      queueSelect: this.queueSelect,
      configVector: this.configVector,
      vectors: [...this.vectors],
      queues: this.queues.map((queue) => queue.save()),
      device: this.device.save(),
    };
  }

  /** What was under way when the state was saved is taken up by an alarm: other chips are to be restored first. */
  restore(state: DeviceState): void {
    requireVersion('VirtioCore', state.version, STATE_VERSION);
    this.#status = Number(state.status);
    this.#driverFeatures = BigInt(state.driverFeatures as bigint);
    this.generation = Number(state.generation);
    this.queueSelect = Number(state.queueSelect);
    this.configVector = Number(state.configVector);
    for (const [index, vector] of (state.vectors as number[]).entries()) this.vectors[index] = vector;
    for (const [index, saved] of (state.queues as DeviceState[]).entries()) this.queues[index]?.restore(saved);
    this.device.restore(state.device as DeviceState);
    this.#setIsr(Number(state.isr));
    if (this.driverOk) this.#resume.arm(this.#wiring.clock.nowNanos());
    else this.#resume.cancel();
  }

  #makeQueue(maxSize: number, index: number): Virtqueue {
    return new Virtqueue(this.#wiring.memory, maxSize, {
      usedBuffers: () => this.#interrupt(ISR.queue, this.vectors[index]),
      broken: () => this.#needsReset(),
    });
  }

  /** Whether the driver's choice makes sense: nothing that was not offered, and the interface it uses. */
  #acceptable(): boolean {
    return (this.#driverFeatures & ~this.offered) === 0n && (this.#driverFeatures & VIRTIO_F.version1) !== 0n;
  }

  #settleFeatures(): void {
    const eventIndex = (this.features & VIRTIO_F.eventIndex) !== 0n;
    for (const queue of this.queues) queue.eventIndex = eventIndex;
  }

  #notifyAll(): void {
    for (const index of this.queues.keys()) this.notify(index);
  }

  #needsReset(): void {
    this.#status |= STATUS.needsReset;
    this.configChanged();
  }

  #interrupt(cause: number, vector: number): void {
    if (!this.#wiring.interrupts.message(vector)) this.#setIsr(this.#isr | cause);
  }

  #setIsr(isr: number): void {
    this.#isr = isr;
    this.#wiring.interrupts.pin(isr !== 0);
  }
}
