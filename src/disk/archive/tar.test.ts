import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatenate } from '../../base/bytes.ts';
import { IMAGE, memoryHost } from '../block-device.case.ts';
import { isTar, readTar, TAR_END, TAR_HEADER_BYTES, type TarMember, tarHeader } from './tar.ts';

const SECONDS = 1_700_000_000;
const utf8 = (text: string) => new TextEncoder().encode(text);

async function readBytes(...parts: Uint8Array[]): Promise<TarMember[]> {
  const { files } = memoryHost();
  const file = await files.create(IMAGE);
  await file.write(0, concatenate(parts));
  return readTar(file);
}

function padded(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(text.length / 512) * 512);
  bytes.set(utf8(text));
  return bytes;
}

/** A header with something else in it, whose checksum is right. */
function changed(header: Uint8Array, at: number, bytes: ArrayLike<number>): Uint8Array {
  const other = header.slice();
  other.set(bytes, at);
  other.fill(0x20, 148, 156);
  const sum = other.reduce((total, byte) => total + byte, 0);
  other.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return other;
}

describe('a tar archive', () => {
  it('has the files that were put into it', async () => {
    const first = tarHeader('a.ovf', 5, SECONDS);
    assert.ok(isTar(first));
    assert.deepEqual(
      await readBytes(first, padded('hello'), tarHeader('b', 513, SECONDS), padded('x'.repeat(513)), TAR_END),
      [
        { name: 'a.ovf', offset: TAR_HEADER_BYTES, sizeBytes: 5 },
        { name: 'b', offset: 1536, sizeBytes: 513 },
      ],
    );
  });

  it('may have names and sizes in extended headers', async () => {
    const record = '21 path=a-long-name\n13 size=600\n';
    const pax = changed(tarHeader('pax', record.length, SECONDS), 156, utf8('x'));
    const gnu = changed(tarHeader('././@LongLink', 5, SECONDS), 156, utf8('L'));
    const found = await readBytes(
      ...[pax, padded(record), tarHeader('short', 0, SECONDS), padded('y'.repeat(600))],
      ...[gnu, padded('name\0'), tarHeader('other', 1, SECONDS), padded('z')],
    );
    assert.deepEqual(
      found.map(({ name, sizeBytes }) => [name, sizeBytes]),
      [
        ['a-long-name', 600],
        ['name', 1],
      ],
    );
  });

  it('may have files beyond 8 GiB', async () => {
    const header = tarHeader('large', 2 ** 40, SECONDS);
    await assert.rejects(readBytes(header), /"large" is cut off/);
  });

  for (const [what, bytes, why] of [
    ['a wrong checksum', [Uint8Array.from(tarHeader('a', 0, SECONDS), (byte, i) => (i === 0 ? 98 : byte))], /checksum/],
    ['a file that is cut off', [tarHeader('a', 1024, SECONDS), padded('x')], /"a" is cut off/],
    ['a link', [changed(tarHeader('a', 0, SECONDS), 156, utf8('2'))], /"a" is no file/],
    ['a device', [changed(tarHeader('a', 0, SECONDS), 156, utf8('3'))], /"a" is no file/],
    ['a negative size', [changed(tarHeader('a', 0, SECONDS), 124, utf8('-1'))], /no size/],
    ['an endless size', [changed(tarHeader('a', 0, SECONDS), 124, new Uint8Array(12).fill(0xff))], /no size/],
    ['no header', [padded('nothing of the kind')], /none of a tar archive/],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      await assert.rejects(readBytes(...bytes), why);
    });
  }
});
