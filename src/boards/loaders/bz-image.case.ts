/** What a test kernel's header says; the defaults are those of a present-day 64-bit kernel. */
export interface Header {
  version?: number;
  loadFlags?: number;
  codeStart?: number;
  relocatable?: number;
  alignment?: number;
  xloadFlags?: number;
  commandLineMax?: number;
  initrdMax?: number;
  preferred?: bigint;
  initSize?: number;
  setupSectors?: number;
  payloadBytes?: number;
  /** What lies at the payload's place, as compressed file. */
  payload?: Uint8Array;
}

/** A Linux bzImage that is nothing but its header and NOPs (Documentation/arch/x86/boot.rst). */
export function bzImage(header: Header = {}): Uint8Array {
  const payloadBytes = header.payloadBytes ?? 0x4000;
  const setupBytes = ((header.setupSectors || 4) + 1) * 512;
  const file = new Uint8Array(setupBytes + payloadBytes);
  const view = new DataView(file.buffer);
  view.setUint8(0x1f1, header.setupSectors ?? 4);
  view.setUint32(0x1f4, payloadBytes / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x201, 0x268 - 0x202);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, header.version ?? 0x20f, true);
  view.setUint8(0x211, header.loadFlags ?? 1);
  view.setUint32(0x214, header.codeStart ?? 0x100000, true);
  view.setUint32(0x22c, header.initrdMax ?? 0x7fffffff, true);
  view.setUint32(0x230, header.alignment ?? 0x200000, true);
  view.setUint8(0x234, header.relocatable ?? 1);
  view.setUint16(0x236, header.xloadFlags ?? 1, true);
  view.setUint32(0x238, header.commandLineMax ?? 2047, true);
  view.setUint32(0x24c, header.payload?.length ?? 0, true);
  view.setBigUint64(0x258, header.preferred ?? 0x1000000n, true);
  view.setUint32(0x260, header.initSize ?? 0x800000, true);
  file.fill(0x90, setupBytes);
  if (header.payload) {
    view.setUint32(0x248, 0x1000, true);
    file.set(header.payload, setupBytes + 0x1000);
  }
  return file;
}
