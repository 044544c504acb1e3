import { toHex } from '../../base/hex.ts';
import { requireVersion } from '../../base/state-version.ts';
import type { DeviceState } from '../../machine/interfaces.ts';

/** How a command of the control queue ended. */
const CONTROL_OK = 0;
const CONTROL_ERROR = 1;

/** Classes and commands (virtio 1.2 section 5.1.6.5). */
const CLASS = { receive: 0, mac: 1 } as const;
const MAC_COMMAND = { tableSet: 0, addressSet: 1 } as const;
/** The receive modes that commands of the class of that name switch, in order. */
const MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
type Mode = (typeof MODES)[number];

const MAC_BYTES = 6;
const MOST_ADDRESSES = 64;
const MULTICAST = 1;
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const STATE_VERSION = 1;

/** Which frames the driver wants to see, as it says through the control queue. */
export class ReceiveFilter {
  readonly #shown: Uint8Array;
  /** Whom frames are for. Not always what is shown: the driver of a card whose address has changed uses the old one. */
  readonly #address: Uint8Array;
  #modes = new Set<Mode>();
  /** Further addresses, or undefined when the driver named more than are kept: then all are let through. */
  #unicast: Set<string> | undefined = new Set();
  #multicast: Set<string> | undefined = new Set();

  /** @param shown the address in the configuration, six bytes: the driver may change it through the filter */
  constructor(shown: Uint8Array) {
    this.#shown = shown;
    this.#address = shown.slice();
  }

  /** Takes the address that is shown. */
  takeShown(): void {
    this.#address.set(this.#shown);
  }

  accepts(frame: Uint8Array): boolean {
    if (frame.length < MAC_BYTES) return false;
    if (this.#modes.has('promiscuous')) return true;
    const target = textOf(frame);
    if (target === BROADCAST) return !this.#modes.has('noBroadcast');
    if (frame[0] & MULTICAST) {
      if (this.#modes.has('noMulticast')) return false;
      return this.#modes.has('allMulticast') || (this.#multicast?.has(target) ?? true);
    }
    if (this.#modes.has('noUnicast')) return false;
    return this.#modes.has('allUnicast') || target === textOf(this.#address) || (this.#unicast?.has(target) ?? true);
  }

  /** Obeys a command. @param bytes class, command and its data  @returns the status to answer */
  command(bytes: Uint8Array): number {
    const [kind, command] = bytes;
    const data = bytes.subarray(2);
    if (kind === CLASS.receive) return this.#setMode(MODES[command], data);
    if (kind !== CLASS.mac) return CONTROL_ERROR;
    if (command === MAC_COMMAND.tableSet) return this.#setTables(data);
    if (command !== MAC_COMMAND.addressSet || data.length !== MAC_BYTES) return CONTROL_ERROR;
    this.#shown.set(data);
    this.takeShown();
    return CONTROL_OK;
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      address: this.#address.slice(),
      modes: [...this.#modes],
      unicast: this.#unicast ? [...this.#unicast] : null,
      multicast: this.#multicast ? [...this.#multicast] : null,
    };
  }

  /** What is shown is to be restored first: the oldest states have no other address. */
  restore(state: DeviceState): void {
    requireVersion('ReceiveFilter', state.version, STATE_VERSION);
    this.#address.set((state.address as Uint8Array | undefined) ?? this.#shown);
    this.#modes = new Set(state.modes as Mode[]);
    this.#unicast = state.unicast ? new Set(state.unicast as string[]) : undefined;
    this.#multicast = state.multicast ? new Set(state.multicast as string[]) : undefined;
  }

  #setMode(mode: Mode | undefined, data: Uint8Array): number {
    if (!mode || data.length !== 1) return CONTROL_ERROR;
    if (data[0]) this.#modes.add(mode);
    else this.#modes.delete(mode);
    return CONTROL_OK;
  }

  /** Two tables, unicast and multicast: a count of 32 bits and the addresses. */
  #setTables(data: Uint8Array): number {
    const unicast = readTable(data);
    const multicast = unicast && readTable(data.subarray(unicast.bytes));
    if (!multicast) return CONTROL_ERROR;
    this.#unicast = unicast.addresses;
    this.#multicast = multicast.addresses;
    return CONTROL_OK;
  }
}

function readTable(data: Uint8Array): { bytes: number; addresses: Set<string> | undefined } | undefined {
  if (data.length < 4) return undefined;
  const count = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  const bytes = 4 + count * MAC_BYTES;
  if (bytes > data.length) return undefined;
  if (count > MOST_ADDRESSES) return { bytes, addresses: undefined };
  const at = (index: number) => textOf(data.subarray(4 + index * MAC_BYTES));
  return { bytes, addresses: new Set(Array.from({ length: count }, (_, index) => at(index))) };
}

function textOf(bytes: Uint8Array): string {
  return toHex(bytes.subarray(0, MAC_BYTES), ':');
}
