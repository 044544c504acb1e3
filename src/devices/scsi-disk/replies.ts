import { be16, be32 } from '../../machine/scsi.ts';
import { BLOCK_BYTES } from './commands.ts';

/** What replies depend on. */
export interface DiskFacts {
  readonly blocks: number;
  readonly readOnly: boolean;
  /** ASCII */
  readonly serial: string;
}

/** Blocks that one UNMAP or WRITE SAME may name. */
export const MOST_UNMAP_BLOCKS = 1 << 22;
/** Ranges that one UNMAP may have. */
export const MOST_UNMAP_RANGES = 255;

const PAGE = {
  supported: 0x00,
  serial: 0x80,
  identification: 0x83,
  limits: 0xb0,
  characteristics: 0xb1,
  provisioning: 0xb2,
} as const;
const MODE_PAGE = { caching: 0x08, all: 0x3f } as const;
const NO_ROTATION = 1;

/** Standard INQUIRY data (SPC-4 section 6.6.2): a disk of SPC-3 that queues commands. */
export function inquiry(): Uint8Array {
  const text = `${'VITRINE'.padEnd(8)}${'DISK'.padEnd(16)}${'1.0'.padEnd(4)}`;
  return Uint8Array.from([0x00, 0x00, 0x05, 0x12, 31, 0, 0, 0x02, ...ascii(text)]);
}

/** A page of vital product data (SPC-4 section 7.8, SBC-3 section 6.6); undefined for one that the disk has not. */
export function vitalProductData(page: number, { serial }: DiskFacts): Uint8Array | undefined {
  const body = vitalPage(page, serial);
  return body && Uint8Array.from([0, page, ...be16(body.length), ...body]);
}

function vitalPage(page: number, serial: string): number[] | undefined {
  switch (page) {
    case PAGE.supported:
      return Object.values(PAGE);
    case PAGE.serial:
      return ascii(serial);
    case PAGE.identification: {
      const name = ascii(`VITRINE ${serial}`); // T10 vendor identification
      return [0x02, 0x01, 0, name.length, ...name];
    }
    case PAGE.limits:
      return blockLimits();
    case PAGE.characteristics:
      return [...be16(NO_ROTATION), ...Array<number>(58).fill(0)];
    case PAGE.provisioning:
      return [0, 0xe0, 0x02, 0]; // UNMAP, WRITE SAME (16) and (10) unmap; thin
    default:
      return undefined;
  }
}

function blockLimits(): number[] {
  const page = new DataView(new ArrayBuffer(60));
  page.setUint8(0, 0x01); // WRITE SAME of zero blocks is refused
  page.setUint32(16, MOST_UNMAP_BLOCKS);
  page.setUint32(20, MOST_UNMAP_RANGES);
  page.setUint32(24, 1); // granularity
  page.setBigUint64(32, BigInt(MOST_UNMAP_BLOCKS));
  return [...new Uint8Array(page.buffer)];
}

/** READ CAPACITY (10) (SBC-3 section 5.15): a disk too large for it says so. */
export function capacity10({ blocks }: DiskFacts): Uint8Array {
  return Uint8Array.from([...be32(Math.min(blocks - 1, 0xffffffff)), ...be32(BLOCK_BYTES)]);
}

/** READ CAPACITY (16) (SBC-3 section 5.16): provisioned thinly, and unmapped blocks may read as anything. */
export function capacity16({ blocks }: DiskFacts): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setBigUint64(0, BigInt(blocks - 1));
  view.setUint32(8, BLOCK_BYTES);
  view.setUint8(14, 0x80);
  return new Uint8Array(view.buffer);
}

/** REPORT LUNS (SPC-4 section 6.33): this unit alone. */
export function reportLuns(): Uint8Array {
  return Uint8Array.from([0, 0, 0, 8, ...Array<number>(12).fill(0)]);
}

/** MODE SENSE (SPC-4 sections 6.13 and 6.14): a write cache; undefined for a page that the disk has not. */
export function modeSense(page: number, { readOnly }: DiskFacts, long: boolean): Uint8Array | undefined {
  if (page !== MODE_PAGE.caching && page !== MODE_PAGE.all) return undefined;
  const caching = [MODE_PAGE.caching, 18, 0x04, ...Array<number>(17).fill(0)]; // WCE
  const specific = (readOnly ? 0x80 : 0) | 0x10; // WP, DPOFUA
  if (long) return Uint8Array.from([...be16(caching.length + 6), 0, specific, 0, 0, 0, 0, ...caching]);
  return Uint8Array.from([caching.length + 3, 0, specific, 0, ...caching]);
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0) & 0x7f);
}
