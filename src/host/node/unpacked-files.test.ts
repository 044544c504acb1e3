import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';
import { UnpackedFiles, unpackZstd } from './unpacked-files.ts';

const PACKED = Uint8Array.of(1, 2, 3);
const UNPACKED = new Uint8Array(100_000).fill(7);

describe('what was unpacked', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-unpacked-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (path = folder) => new UnpackedFiles(path);
  const unpack = async () => UNPACKED;
  const mustBeKept = () => Promise.reject(new Error('it is not kept'));

  /** Saves, and waits until that has been done. @returns the path */
  async function save(): Promise<string> {
    assert.equal(await files().get(PACKED, unpack), UNPACKED);
    const done = () => readdirSync(folder).find((name) => name.endsWith('.zst'));
    while (done() === undefined) await sleep(1);
    return join(folder, done() ?? '');
  }

  it('is found again by what it was packed as', async () => {
    await save();
    assert.deepEqual(new Uint8Array(await files().get(PACKED, mustBeKept)), UNPACKED);
    await assert.rejects(files().get(Uint8Array.of(1, 2, 4), mustBeKept), /not kept/);
  });

  it('is unpacked again when its file is damaged', async () => {
    const path = await save();
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
    assert.equal(await files().get(PACKED, unpack), UNPACKED);
  });

  it('is not kept where that is not possible', async () => {
    const place = join(folder, 'file');
    writeFileSync(place, '');
    assert.equal(await files(place).get(PACKED, unpack), UNPACKED);
    await sleep(50);
    await assert.rejects(files(place).get(PACKED, mustBeKept), /not kept/);
    assert.ok(existsSync(place));
  });
});

it('a frame of zstd is unpacked whatever follows it, if it is whole and not too large', async () => {
  const packed = zstdCompressSync(UNPACKED);
  const padded = Buffer.concat([packed, Buffer.alloc(3)]);
  assert.deepEqual(new Uint8Array(await unpackZstd(padded, UNPACKED.length)), UNPACKED);
  await assert.rejects(unpackZstd(packed, UNPACKED.length - 1));
  await assert.rejects(unpackZstd(packed.subarray(0, -1), UNPACKED.length));
});
