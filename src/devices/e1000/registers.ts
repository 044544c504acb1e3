/** Registers of the 82540EM (Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", 13). */
export const REG = {
  ctrl: 0x0000,
  status: 0x0008,
  eecd: 0x0010,
  eerd: 0x0014,
  ctrlExt: 0x0018,
  mdic: 0x0020,
  fcal: 0x0028,
  fcah: 0x002c,
  fct: 0x0030,
  vet: 0x0038,
  icr: 0x00c0,
  itr: 0x00c4,
  ics: 0x00c8,
  ims: 0x00d0,
  imc: 0x00d8,
  rctl: 0x0100,
  fcttv: 0x0170,
  txcw: 0x0178,
  rxcw: 0x0180,
  tctl: 0x0400,
  tipg: 0x0410,
  ait: 0x0458,
  ledctl: 0x0e00,
  pba: 0x1000,
  fcrtl: 0x2160,
  fcrth: 0x2168,
  rdbal: 0x2800,
  rdbah: 0x2804,
  rdlen: 0x2808,
  rdh: 0x2810,
  rdt: 0x2818,
  rdtr: 0x2820,
  rxdctl: 0x2828,
  radv: 0x282c,
  tdbal: 0x3800,
  tdbah: 0x3804,
  tdlen: 0x3808,
  tdh: 0x3810,
  tdt: 0x3818,
  tidv: 0x3820,
  txdctl: 0x3828,
  tadv: 0x382c,
  tspmt: 0x3830,
  mpc: 0x4010,
  gprc: 0x4074,
  bprc: 0x4078,
  mprc: 0x407c,
  gptc: 0x4080,
  gorcl: 0x4088,
  gotcl: 0x4090,
  torl: 0x40c0,
  totl: 0x40c8,
  tpr: 0x40d0,
  tpt: 0x40d4,
  rxcsum: 0x5000,
  mta: 0x5200,
  ral: 0x5400,
  vfta: 0x5600,
  wuc: 0x5800,
  wufc: 0x5808,
  manc: 0x5820,
  /** The software semaphore of later chips (82571EB manual, 13.4.5): U-Boot takes it on this one too. */
  swsm: 0x5b50,
} as const;

/** Bytes of register space that hold registers. */
export const REGISTER_BYTES = 0x6000;

const ALL = 0xffffffff;
const RING_LENGTH = 0xfff80;
const RING_INDEX = 0xffff;
const RING_BASE = 0xfffffff0;

/** Registers that keep what is written to them: first, count, writable bits. Those with effects have them in `e1000.ts`. */
export const PLAIN_REGISTERS: readonly (readonly [first: number, count: number, writable: number])[] = [
  [REG.ctrlExt, 1, ALL],
  [REG.fcal, 1, ALL],
  [REG.fcah, 1, 0xffff],
  [REG.fct, 1, 0xffff],
  [REG.vet, 1, 0xffff],
  [REG.itr, 1, 0xffff],
  [REG.rctl, 1, 0x07fff7ff],
  [REG.fcttv, 1, 0xffff],
  [REG.txcw, 1, ALL],
  [REG.tctl, 1, ALL],
  [REG.tipg, 1, ALL],
  [REG.ait, 1, 0xffff],
  [REG.ledctl, 1, ALL],
  [REG.pba, 1, 0xffff],
  [REG.fcrtl, 1, ALL],
  [REG.fcrth, 1, ALL],
  [REG.rdbal, 1, RING_BASE],
  [REG.rdbah, 1, ALL],
  [REG.rdlen, 1, RING_LENGTH],
  [REG.rdh, 1, RING_INDEX],
  [REG.rdt, 1, RING_INDEX],
  [REG.rdtr, 1, 0xffff],
  [REG.rxdctl, 1, ALL],
  [REG.radv, 1, 0xffff],
  [REG.tdbal, 1, RING_BASE],
  [REG.tdbah, 1, ALL],
  [REG.tdlen, 1, RING_LENGTH],
  [REG.tdh, 1, RING_INDEX],
  [REG.tdt, 1, RING_INDEX],
  [REG.tidv, 1, 0xffff],
  [REG.txdctl, 1, ALL],
  [REG.tadv, 1, 0xffff],
  [REG.tspmt, 1, ALL],
  [REG.rxcsum, 1, 0x3ff],
  [REG.mta, 128, ALL],
  [REG.ral, 32, ALL],
  [REG.vfta, 128, ALL],
  [REG.wuc, 1, 0xf],
  [REG.wufc, 1, ALL],
  [REG.manc, 1, ALL],
  [REG.swsm, 1, 0x3],
];

/** Counters, which reading clears. */
export const COUNTERS: readonly number[] = [
  REG.mpc,
  REG.gprc,
  REG.bprc,
  REG.mprc,
  REG.gptc,
  REG.gorcl,
  REG.gotcl,
  REG.torl,
  REG.totl,
  REG.tpr,
  REG.tpt,
];

export const CTRL = { fullDuplex: 1 << 0, setLinkUp: 1 << 6, reset: 1 << 26, vlanMode: 1 << 30 } as const;
/** Full duplex, link up, 1000 Mb/s twice: set and detected. */
export const STATUS_LINK_UP = 0x00000283;
export const INT = {
  txdw: 1 << 0,
  txqe: 1 << 1,
  lsc: 1 << 2,
  rxdmt0: 1 << 4,
  rxo: 1 << 6,
  rxt0: 1 << 7,
  mdac: 1 << 9,
} as const;
export const INT_ALL = 0x1ffff;
export const RCTL = {
  enable: 1 << 1,
  unicastPromiscuous: 1 << 3,
  multicastPromiscuous: 1 << 4,
  longPackets: 1 << 5,
  broadcastAccept: 1 << 15,
  vlanFilter: 1 << 18,
  bufferSizeExtension: 1 << 25,
  stripCrc: 1 << 26,
} as const;
export const TCTL_ENABLE = 1 << 1;
export const DESCRIPTOR_BYTES = 16;

/** The registers as plain words, by byte offset. */
export class RegisterFile {
  readonly #words = new Uint32Array(REGISTER_BYTES / 4);

  get(offset: number): number {
    return this.#words[offset >> 2] ?? 0;
  }

  set(offset: number, value: number): void {
    this.#words[offset >> 2] = value;
  }

  /** Counts; counters stay at their end. */
  count(offset: number, by = 1): void {
    this.set(offset, Math.min(0xffffffff, this.get(offset) + by));
  }

  /** A ring's base address. @param low its lower half; the upper one is next */
  address(low: number): number {
    return this.get(low + 4) * 2 ** 32 + this.get(low);
  }

  save(): Uint8Array {
    return new Uint8Array(this.#words.slice().buffer);
  }

  restore(bytes: Uint8Array): void {
    this.#words.set(new Uint32Array(bytes.slice().buffer));
  }
}
