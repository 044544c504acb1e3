import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ByteReader } from '../base/bytes.ts';
import { ACPI_RSDP_FILE, ACPI_TABLES_FILE, buildAcpi } from './acpi.ts';
import { applyLoader, encodeLoader } from './table-loader.ts';

const TABLES_GPA = 0xe0000;
const RSDP_GPA = 0xf0000;

/** Tables placed as direct boot does, with a finder of tables by following the pointers. */
function placed(cpuCount: number) {
  const set = buildAcpi({ cpuCount });
  const writes = applyLoader(set, (file) => (file.inBiosSegment ? RSDP_GPA : TABLES_GPA));
  const blob = new ByteReader(writes.get(ACPI_TABLES_FILE)?.bytes ?? new Uint8Array());
  const rsdp = new ByteReader(writes.get(ACPI_RSDP_FILE)?.bytes ?? new Uint8Array());
  const tableAt = (gpa: number) => {
    const offset = gpa - TABLES_GPA;
    const bytes = blob.slice(offset, blob.u32(offset + 4));
    return { signature: String.fromCharCode(...bytes.subarray(0, 4)), bytes, reader: new ByteReader(bytes) };
  };
  const rsdt = tableAt(rsdp.u32(16));
  const xsdt = tableAt(Number(rsdp.u64(24)));
  const listed = Array.from({ length: (rsdt.bytes.length - 36) / 4 }, (_, i) => tableAt(rsdt.reader.u32(36 + i * 4)));
  const find = (signature: string) => {
    const table = listed.find((candidate) => candidate.signature === signature);
    assert.ok(table, `no ${signature}`);
    return table;
  };
  return { set, rsdp, rsdt, xsdt, tableAt, find };
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
}

test('every table sums to zero and is found from the root pointer', () => {
  const { rsdp, rsdt, xsdt, tableAt, find } = placed(2);
  assert.equal(String.fromCharCode(...rsdp.slice(0, 8)), 'RSD PTR ');
  assert.equal(sum(rsdp.slice(0, 20)), 0);
  assert.equal(sum(rsdp.slice(0, 36)), 0);
  const dsdt = tableAt(find('FACP').reader.u32(40));
  for (const { signature, bytes } of [rsdt, xsdt, find('FACP'), find('APIC'), dsdt])
    assert.equal(sum(bytes), 0, signature);
  assert.deepEqual([rsdt.signature, xsdt.signature, dsdt.signature], ['RSDT', 'XSDT', 'DSDT']);
});

test('the 32-bit and the 64-bit root list the same tables', () => {
  const { rsdt, xsdt } = placed(1);
  const count = (rsdt.bytes.length - 36) / 4;
  assert.equal((xsdt.bytes.length - 36) / 8, count);
  for (let i = 0; i < count; i++) assert.equal(rsdt.reader.u32(36 + i * 4), Number(xsdt.reader.u64(36 + i * 8)));
});

test('the FADT names reset port, power management ports, general-purpose events and the SCI', () => {
  const { reader, bytes } = placed(1).find('FACP');
  assert.equal(bytes.length, 244);
  assert.equal(reader.u16(46), 9);
  assert.deepEqual([reader.u32(56), reader.u32(64), reader.u32(76), reader.u32(80)], [0x600, 0x604, 0x608, 0x60c]);
  assert.equal(reader.u8(108), 0x32);
  assert.ok(reader.u32(112) & (1 << 10));
  assert.deepEqual([reader.u8(116), reader.u64(120), reader.u8(128)], [1, 0xcf9n, 6]);
  assert.equal(reader.u32(40), Number(reader.u64(140)));
});

test('the FACS is 64-byte aligned', () => {
  const { find, tableAt } = placed(1);
  const gpa = find('FACP').reader.u32(36);
  assert.equal(gpa % 64, 0);
  assert.equal(tableAt(gpa).signature, 'FACS');
});

test('the MADT lists every processor, the I/O APIC and the moved timer', () => {
  const { bytes, reader } = placed(3).find('APIC');
  const entries: number[][] = [];
  for (let at = 44; at < bytes.length; at += bytes[at + 1]) entries.push([...bytes.subarray(at, at + bytes[at + 1])]);
  assert.equal(reader.u32(36), 0xfee00000);
  assert.deepEqual(
    entries.filter(([type]) => type === 0).map(([, , uid, id]) => [uid, id]),
    [
      [0, 0],
      [1, 1],
      [2, 2],
    ],
  );
  assert.deepEqual(
    entries.filter(([type]) => type === 1),
    [[1, 12, 3, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]],
  );
  assert.deepEqual(
    entries.filter(([type]) => type === 2),
    [
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
    ],
  );
});

test('the table loader file holds one 128-byte entry a command, allocations first', () => {
  const { set } = placed(1);
  const script = new ByteReader(encodeLoader(set));
  assert.equal(script.length, 128 * (set.files.length + set.commands.length));
  assert.equal(script.u32(0), 1);
  assert.equal(String.fromCharCode(...script.slice(4, 15)), ACPI_TABLES_FILE);
  assert.deepEqual([script.u32(60), script.u8(64)], [64, 1]);
  assert.deepEqual([script.u32(128 + 60), script.u8(128 + 64)], [16, 2]);
});

const hasIasl = spawnSync('iasl', ['-v']).status === 0;

test('iasl disassembles every table without complaint and assembles the same DSDT again', {
  skip: hasIasl ? false : 'iasl (acpica-tools) is missing',
}, () => {
  const { rsdt, xsdt, tableAt, find } = placed(2);
  const fadt = find('FACP');
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-acpi-'));
  const disassemble = (name: string, bytes: Uint8Array): string => {
    const file = join(folder, name);
    writeFileSync(`${file}.aml`, bytes);
    const said = execFileSync('iasl', ['-p', file, '-d', `${file}.aml`], { encoding: 'utf8', stdio: 'pipe' });
    const text = readFileSync(`${file}.dsl`, 'utf8');
    assert.doesNotMatch(said + text, /invalid|incorrect|error|warning/i, name);
    return text;
  };
  try {
    for (const { signature, bytes } of [rsdt, xsdt, fadt, find('APIC'), tableAt(fadt.reader.u32(36))]) {
      disassemble(signature, bytes);
    }
    const dsdt = disassemble('DSDT', tableAt(fadt.reader.u32(40)).bytes);
    for (const expected of [
      /Name \(_S5, Package \(0x04\)/,
      /Device \(PCI0\)/,
      /Name \(_HID, EisaId \("PNP0A03"\)/,
      /EisaId \("PNP0501"\)/,
      /EisaId \("PNP0303"\)/,
      /EisaId \("PNP0F13"\)/,
      /Device \(CP01\)/,
      /WordBusNumber/,
      /0xC0000000, +\/\/ Range Minimum\s+0xFEBFFFFF/,
    ]) {
      assert.match(dsdt, expected);
    }
    const said = execFileSync('iasl', ['-p', join(folder, 'again'), join(folder, 'DSDT.dsl')], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    assert.match(said, /0 Errors, 0 Warnings/);
    const again = readFileSync(join(folder, 'again.aml'));
    assert.deepEqual(again.subarray(36), Buffer.from(tableAt(fadt.reader.u32(40)).bytes.subarray(36)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
