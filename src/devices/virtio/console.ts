import { requireVersion } from '../../base/state-version.ts';
import type { ByteChannel, DeviceState } from '../../machine/interfaces.ts';
import type { Chain } from './chain.ts';
import { VIRTIO_TYPE, type VirtioDevice, type VirtioPort } from './virtio-device.ts';

/** Feature bits (virtio 1.2 section 5.3.3). */
const F = { multiport: 1n << 1n, emergencyWrite: 1n << 2n } as const;
/** Fields of the configuration. */
const CONFIG = { ports: 4, emergencyWrite: 8, length: 12 } as const;
/** Messages on the control queues (virtio 1.2 section 5.3.6.2). */
const EVENT = { deviceReady: 0, portAdd: 1, portReady: 3, consolePort: 4, portOpen: 6, portName: 7 } as const;
const MESSAGE_BYTES = 8;
const [CONTROL_RECEIVE, CONTROL_TRANSMIT] = [2, 3];

/** What is copied of a buffer at once. */
const PIECE_BYTES = 1 << 16;
/** Messages that wait for the driver; while there are more it is not listened to. */
const MOST_MESSAGES = 256;
const STATE_VERSION = 2;

/** A port of the console device. */
export interface ConsolePort {
  /** The name under which guests find it (/dev/virtio-ports on Linux); without one it is a console. */
  readonly name?: string;
  readonly outside: ByteChannel;
}

interface Port extends ConsolePort {
  /** Whether the guest has the port open. */
  open: boolean;
  /** Bytes of the next buffer that have been sent already. */
  sentBytes: number;
}

/** The console device (virtio 1.2 section 5.3) with any number of ports: consoles, and named channels. */
export class VirtioConsole implements VirtioDevice {
  readonly type = VIRTIO_TYPE.console;
  readonly features = F.multiport | F.emergencyWrite;
  readonly queueSizes: readonly number[];
  readonly config = new Uint8Array(CONFIG.length);
  readonly #ports: readonly Port[];
  #port: VirtioPort | undefined;
  /** Messages for the driver, oldest first. */
  #messages: Uint8Array[] = [];

  /** @param ports 1 to 30; the first is the one that drivers without multiple ports see */
  constructor(ports: readonly ConsolePort[]) {
    this.#ports = ports.map((port) => ({ ...port, open: false, sentBytes: 0 }));
    this.queueSizes = new Array(4 + (ports.length - 1) * 2).fill(64);
    this.config[CONFIG.ports] = ports.length;
    for (const [index, { outside }] of this.#ports.entries()) {
      outside.onChange(() => {
        this.#port?.notify(receiveQueueOf(index));
        this.#port?.notify(receiveQueueOf(index) + 1);
      });
    }
  }

  connect(port: VirtioPort): void {
    this.#port = port;
  }

  notify(queue: number): void {
    if (queue === CONTROL_RECEIVE) this.#sendMessages();
    else if (queue === CONTROL_TRANSMIT) this.#obey();
    else if (queue % 2 === 0) this.#receive(queue);
    else this.#transmit(queue);
  }

  configWritten(offset: number, _size: number, value: number): void {
    if (offset === CONFIG.emergencyWrite) this.#ports[0].outside.send(Uint8Array.of(value));
  }

  save(): DeviceState {
    const ports = this.#ports.map(({ open, sentBytes }) => ({ open, sentBytes }));
    return { version: STATE_VERSION, ports, messages: [...this.#messages] };
  }

  restore(state: DeviceState): void {
    requireVersion('VirtioConsole', state.version, STATE_VERSION);
    for (const [index, { open, sentBytes }] of (state.ports as Port[]).entries()) {
      const port = this.#ports[index];
      Object.assign(port, { open, sentBytes });
      port.outside.opened(open);
    }
    this.#messages = [...(state.messages as Uint8Array[])];
  }

  #receive(index: number): void {
    const [queue, { outside }] = [this.#port?.queues[index], this.#ports[portOf(index)]];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      const bytes = outside.take(chain.writableBytes);
      if (bytes.length === 0) {
        queue?.putBack([chain]);
        return;
      }
      queue?.complete(chain, chain.write(0, bytes));
    }
  }

  #transmit(index: number): void {
    const [queue, port] = [this.#port?.queues[index], this.#ports[portOf(index)]];
    for (let chain = queue?.pop(); chain; chain = queue?.pop()) {
      if (!sendRest(port, chain)) {
        queue?.putBack([chain]);
        break;
      }
      port.sentBytes = 0;
      queue?.complete(chain, 0);
    }
    this.#port?.notify(index - 1);
  }

  #obey(): void {
    const queue = this.#port?.queues[CONTROL_TRANSMIT];
    while (this.#messages.length < MOST_MESSAGES) {
      const chain = queue?.pop();
      if (!chain) break;
      this.#message(chain);
      queue?.complete(chain, 0);
    }
    this.#port?.notify(CONTROL_RECEIVE);
  }

  #message(chain: Chain): void {
    const bytes = chain.readBytes(0, MESSAGE_BYTES);
    if (bytes.length < MESSAGE_BYTES) return;
    const view = new DataView(bytes.buffer);
    const [id, event, value] = [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)];
    if (event === EVENT.deviceReady && value === 1) this.#begin();
    const port = this.#ports[id];
    if (!port) return;
    if (event === EVENT.portOpen) {
      setOpen(port, value === 1);
      this.#port?.notify(receiveQueueOf(id));
    }
    if (event !== EVENT.portReady || value !== 1) return;
    if (port.name === undefined) this.#say(id, EVENT.consolePort, 1);
    else this.#say(id, EVENT.portName, 1, new TextEncoder().encode(port.name));
    this.#say(id, EVENT.portOpen, 1);
  }

  /** A driver starts: none of the ports is open, whatever was before. */
  #begin(): void {
    for (const [index, port] of this.#ports.entries()) {
      setOpen(port, false);
      port.sentBytes = 0;
      this.#say(index, EVENT.portAdd, 1);
    }
  }

  #say(id: number, event: number, value: number, more: Uint8Array = new Uint8Array(0)): void {
    const message = new Uint8Array(MESSAGE_BYTES + more.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    message.set(more, MESSAGE_BYTES);
    this.#messages.push(message);
  }

  #sendMessages(): void {
    const queue = this.#port?.queues[CONTROL_RECEIVE];
    const wasFull = this.#messages.length >= MOST_MESSAGES;
    while (this.#messages.length > 0) {
      const chain = queue?.pop();
      if (!chain) break;
      queue?.complete(chain, chain.write(0, this.#messages.shift() ?? new Uint8Array(0)));
    }
    if (wasFull && this.#messages.length < MOST_MESSAGES) this.#port?.notify(CONTROL_TRANSMIT);
  }
}

/** @returns false when the outside has no room for all of it */
function sendRest(port: Port, chain: Chain): boolean {
  while (port.sentBytes < chain.readableBytes) {
    const bytes = chain.readBytes(port.sentBytes, PIECE_BYTES);
    if (!port.outside.send(bytes)) return false;
    port.sentBytes += bytes.length;
  }
  return true;
}

function setOpen(port: Port, open: boolean): void {
  if (port.open === open) return;
  port.open = open;
  port.outside.opened(open);
}

/** Queues of port 0 come before the control queues, those of the others behind. */
function receiveQueueOf(port: number): number {
  return port === 0 ? 0 : 2 + port * 2;
}

function portOf(queue: number): number {
  return queue < CONTROL_RECEIVE ? 0 : (queue >> 1) - 1;
}
