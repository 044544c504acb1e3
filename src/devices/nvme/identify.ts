import { ByteWriter } from '../../base/bytes.ts';

/** Bytes of every structure that Identify gives. */
export const IDENTIFY_BYTES = 4096;
/** PCI identities, which the structure repeats. */
export const NVME_VENDOR = 0x1b36;
export const NVME_SUBSYSTEM_VENDOR = 0x1af4;
/** The version that the controller follows: 1.4. */
export const NVME_VERSION = 0x00010400;
/** Largest transfer: 2 to this power pages. */
export const MDTS = 8;
export const BLOCK_BYTES = 512;
const BLOCK_BYTES_LOG2 = 9;
const SERIAL_CHARACTERS = 20;
const MODEL = 'Vitrine NVMe disk';
const MODEL_CHARACTERS = 40;
const FIRMWARE = '1.0';
const FIRMWARE_CHARACTERS = 8;
const WARNING_KELVIN = 343;
const CRITICAL_KELVIN = 373;
const NAME_OFFSET = 768;
const POWER_OFFSET = 2048;
const IO_CONTROLLER = 1;
/** Entries of queues are of 64 and of 16 bytes. */
const SQES = 0x66;
const CQES = 0x44;
/** Dataset management. */
const ONCS = 0x0004;
/** There is a volatile write cache, and Flush takes one namespace or all. */
const VWC = 0x07;
/** One firmware slot, which is only read. */
const FRMW = 0x03;
const MOST_ABORTS = 3;
/** Most event requests at once, less one. */
export const AERL = 3;
const NAMESPACE_READ_ONLY = 0x01;
const NIDT_EUI64 = 1;
const EUI64_BYTES = 8;

/** What the structures say of a disk. */
export interface NvmeFacts {
  /** ASCII, up to 20 characters. */
  readonly serial: string;
  /** Tells namespaces of one machine apart: 0 to FFh. */
  readonly number: number;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
}

/** Identify Controller (NVM Express 1.4 figure 247). */
export function identifyController({ serial }: NvmeFacts): Uint8Array {
  const id = (vendor: number) => vendor.toString(16).padStart(4, '0');
  const name = `nqn.2014.08.org.nvmexpress:${id(NVME_VENDOR)}${id(NVME_SUBSYSTEM_VENDOR)}${serial}`;
  const head = new ByteWriter()
    .u16(NVME_VENDOR)
    .u16(NVME_SUBSYSTEM_VENDOR)
    .text(serial, SERIAL_CHARACTERS, 0x20)
    .text(MODEL, MODEL_CHARACTERS, 0x20)
    .text(FIRMWARE, FIRMWARE_CHARACTERS, 0x20)
    .u8(0)
    .append([0, 0, 0])
    .u8(0)
    .u8(MDTS)
    .u16(0)
    .u32(NVME_VERSION)
    .finish();
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(head);
  view.setUint8(111, IO_CONTROLLER);
  view.setUint8(258, MOST_ABORTS);
  view.setUint8(259, AERL);
  view.setUint8(260, FRMW);
  view.setUint16(266, WARNING_KELVIN, true);
  view.setUint16(268, CRITICAL_KELVIN, true);
  view.setUint8(512, SQES);
  view.setUint8(513, CQES);
  view.setUint32(516, 1, true);
  view.setUint16(520, ONCS, true);
  view.setUint8(525, VWC);
  bytes.set(new TextEncoder().encode(name), NAME_OFFSET);
  view.setUint16(POWER_OFFSET, 2500, true);
  return bytes;
}

/** Identify Namespace (figure 245). */
export function identifyNamespace(facts: NvmeFacts): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  const blocks = BigInt(Math.floor(facts.sizeBytes / BLOCK_BYTES));
  for (const offset of [0, 8, 16]) view.setBigUint64(offset, blocks, true);
  view.setUint8(99, facts.readOnly ? NAMESPACE_READ_ONLY : 0);
  bytes.set(eui64(facts), 120);
  view.setUint32(128, BLOCK_BYTES_LOG2 << 16, true);
  return bytes;
}

/** Namespace Identification Descriptors (figure 249). */
export function identifyDescriptors(facts: NvmeFacts): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  bytes.set([NIDT_EUI64, EUI64_BYTES, 0, 0, ...eui64(facts)]);
  return bytes;
}

/** Active Namespace ID list: those above `after`. */
export function identifyNamespaceList(after: number): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  if (after < 1) bytes[0] = 1;
  return bytes;
}

/** An identity that is locally administered. */
function eui64({ number }: NvmeFacts): readonly number[] {
  return [0x52, 0x54, 0x00, 0xff, 0xfe, 0x4e, 0x56, number];
}
