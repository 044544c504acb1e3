import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** What the driver may select to read (virtio 1.2 section 5.8.4). */
const SELECT = { name: 0x01, serial: 0x02, identity: 0x03, properties: 0x10, events: 0x11, absolute: 0x12 } as const;
/** Fields of the configuration. */
const CONFIG = { select: 0, subselect: 1, size: 2, data: 8, length: 136 } as const;
const DATA_BYTES = CONFIG.length - CONFIG.data;

/** Types of events, as Linux numbers them (include/uapi/linux/input-event-codes.h). */
export const EVENT_TYPE = { synchronize: 0, key: 1, relative: 2, absolute: 3, led: 17, repeat: 20 } as const;

const [EVENTS, STATUS] = [0, 1];
const EVENT_BYTES = 8;
/** Events that wait for the driver: what does not fit is lost, a group at a time. */
const MOST_WAITING = 256;
const STATE_VERSION = 1;

/** An event: its type, what it is of, and the value. */
export type InputEvent = readonly [type: number, code: number, value: number];

/** What an input device is. */
export interface InputDescription {
  readonly name: string;
  /** Product number within this vendor. */
  readonly product: number;
  /** Codes of each type of event that the device has. */
  readonly codes: ReadonlyMap<number, readonly number[]>;
  /** Largest values of absolute axes; the smallest is 0. */
  readonly absoluteMax?: ReadonlyMap<number, number>;
}

/** The input device (virtio 1.2 section 5.8): sends the events of any device that Linux could describe. */
export class VirtioInput implements VirtioDevice {
  readonly type = VIRTIO_TYPE.input;
  readonly features = 0n;
  readonly queueSizes = [64, 64];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #description: InputDescription;
  readonly #status: (event: InputEvent) => void;
  #port: VirtioPort | undefined;
  #waiting: InputEvent[] = [];

  /** @param status told of what the driver sends: the LEDs of a keyboard */
  constructor(description: InputDescription, status: (event: InputEvent) => void = () => {}) {
    this.#description = description;
    this.#status = status;
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  /** Whether a driver is ready for events. */
  get isListening(): boolean {
    return this.#port?.driverOk ?? false;
  }

  /** Sends events that belong together, and the event that ends the group. Does nothing before the driver is ready. */
  send(events: readonly InputEvent[]): void {
    if (!this.#port?.driverOk || this.#waiting.length + events.length + 1 > MOST_WAITING) return;
    this.#waiting.push(...events, [EVENT_TYPE.synchronize, 0, 0]);
    this.#port.notify(EVENTS);
  }

  notify(index: number): void {
    if (index === STATUS) this.#readStatus();
    else this.#sendWaiting();
  }

  configWritten(offset: number, size: number, value: number): void {
    if (offset + size > CONFIG.size) return;
    for (let i = 0; i < size; i++) this.config[offset + i] = value >>> (i * 8);
    this.#answer();
  }

  save(): DeviceState {
    return { version: STATE_VERSION, config: this.config.slice(), waiting: [...this.#waiting] };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioInput', state.version, STATE_VERSION);
    this.config.set(state.config as Uint8Array);
    this.#waiting = [...(state.waiting as InputEvent[])];
  }

  #sendWaiting(): void {
    const queue = this.#port?.queues[EVENTS];
    for (let event = this.#waiting[0]; event; event = this.#waiting[0]) {
      const chain = queue?.pop();
      if (!chain) return;
      const [type, code, value] = event;
      const bytes = new DataView(new ArrayBuffer(EVENT_BYTES));
      bytes.setUint16(0, type, true);
      bytes.setUint16(2, code, true);
      bytes.setUint32(4, value, true);
      queue?.complete(chain, chain.write(0, new Uint8Array(bytes.buffer)));
      this.#waiting.shift();
    }
  }

  #readStatus(): void {
    const queue = this.#port?.queues[STATUS];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const view = new DataView(chain.readBytes(0, EVENT_BYTES).buffer);
      if (view.byteLength === EVENT_BYTES) {
        this.#status([view.getUint16(0, true), view.getUint16(2, true), view.getInt32(4, true)]);
      }
      queue?.complete(chain, 0);
    }
  }

  /** Fills the configuration with what is selected; a size of 0 says that there is no such thing. */
  #answer(): void {
    const answer = this.#selected(this.config[CONFIG.select], this.config[CONFIG.subselect]).slice(0, DATA_BYTES);
    this.config.fill(0, CONFIG.size);
    this.config[CONFIG.size] = answer.length;
    this.config.set(answer, CONFIG.data);
  }

  #selected(select: number, subselect: number): Uint8Array {
    const { name, product, codes, absoluteMax } = this.#description;
    switch (select) {
      case SELECT.name:
        return new TextEncoder().encode(name);
      case SELECT.identity:
        return new Uint8Array(Uint16Array.of(BUS_VIRTUAL, VENDOR, product, 1).buffer);
      case SELECT.events:
        return bitmap(codes.get(subselect) ?? []);
      case SELECT.absolute: {
        const most = absoluteMax?.get(subselect);
        return most === undefined ? new Uint8Array(0) : new Uint8Array(Uint32Array.of(0, most, 0, 0, 0).buffer);
      }
      default:
        return new Uint8Array(0);
    }
  }
}

const BUS_VIRTUAL = 0x06;
const VENDOR = 0x0627;

function bitmap(codes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(codes.length === 0 ? 0 : Math.floor(Math.max(...codes) / 8) + 1);
  for (const code of codes) bytes[code >> 3] |= 1 << (code & 7);
  return bytes;
}
