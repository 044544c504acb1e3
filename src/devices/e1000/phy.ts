/** The PHY's registers behind MDIC: an M88E1011 with a link of 1000 Mb/s (Software Developer's Manual, 8 and 13.4.8). */

const PHY_ADDRESS = 1;
const MDIC = { write: 1, read: 2, ready: 1 << 28, interrupt: 1 << 29, error: 1 << 30 } as const;
const CONTROL = 0;
const CONTROL_SELF_CLEARING = 0x8200; // reset, restart auto-negotiation
const CONTROL_RESET = 0x8000;

/** Registers: number, value after reset, writable bits. */
const REGISTERS: readonly (readonly [register: number, value: number, writable: number])[] = [
  [CONTROL, 0x1140, 0x7dff & ~CONTROL_SELF_CLEARING],
  [1, 0x796d, 0], // status: link up, negotiation complete
  [2, 0x0141, 0],
  [3, 0x0c20, 0],
  [4, 0x0de1, 0xffff],
  [5, 0x45e1, 0],
  [6, 0x0001, 0],
  [9, 0x0e00, 0xffff],
  [10, 0x7c00, 0],
  [15, 0x3000, 0],
  [16, 0x0360, 0xffff],
  [17, 0xac00, 0], // 1000 Mb/s, full duplex, resolved, link up
  [18, 0x0000, 0xffff],
  [20, 0x0d60, 0xffff],
  [29, 0x0000, 0xffff],
  [30, 0x0000, 0xffff],
];

/** What an access by MDIC did. */
export interface MdicResult {
  /** What MDIC reads as now. */
  readonly mdic: number;
  /** Whether the driver restarted the negotiation, which ends at once. */
  readonly renegotiated: boolean;
}

/** The registers of the PHY, which MDIC reads and writes. */
export class Phy {
  readonly #registers = new Uint16Array(32);

  constructor() {
    this.#reset();
  }

  get values(): number[] {
    return [...this.#registers];
  }
  set values(values: readonly number[]) {
    this.#registers.set(values);
  }

  /** Does what a write to MDIC asks for. */
  access(mdic: number): MdicResult {
    const register = (mdic >>> 16) & 31;
    const operation = (mdic >>> 26) & 3;
    const known = REGISTERS.find(([number]) => number === register);
    const base = ((mdic & 0x23ff0000) | MDIC.ready) >>> 0;
    if (((mdic >>> 21) & 31) !== PHY_ADDRESS || !(operation === MDIC.read || operation === MDIC.write)) {
      return { mdic: (base | MDIC.error) >>> 0, renegotiated: false };
    }
    if (operation === MDIC.read) return { mdic: (base | this.#registers[register]) >>> 0, renegotiated: false };
    const renegotiated = register === CONTROL && (mdic & CONTROL_SELF_CLEARING) !== 0;
    if (register === CONTROL && mdic & CONTROL_RESET) this.#reset();
    else if (known) this.#registers[register] = (this.#registers[register] & ~known[2]) | (mdic & known[2]);
    return { mdic: (base | (mdic & 0xffff)) >>> 0, renegotiated };
  }

  #reset(): void {
    for (const [register, value] of REGISTERS) this.#registers[register] = value;
  }
}

/** Whether the driver wants an interrupt at the end of an access. */
export function wantsInterrupt(mdic: number): boolean {
  return (mdic & MDIC.interrupt) !== 0;
}
