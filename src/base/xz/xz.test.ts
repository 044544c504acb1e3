import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HandMade, handMade, noise, SAMPLES } from './xz.case.ts';
import { isXz, unxz, XzInvalid } from './xz.ts';

const MEBIBYTE = 1 << 20;

function read(xz: Uint8Array, mostBytes = 4 * MEBIBYTE): Promise<Uint8Array> {
  return unxz(xz, { mostBytes });
}

/** Reads a damaged file. @returns what is wrong with it; undefined: it was read nevertheless, and had the right bytes */
async function complaint(xz: Uint8Array, plain: Uint8Array): Promise<string | undefined> {
  try {
    assert.deepEqual(await read(xz), plain);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof XzInvalid, String(error));
    assert.match(error.message, /^[^\n]+$/);
    return error.message;
  }
}

describe('an .xz file', () => {
  for (const [name, { made, plain, xz }] of Object.entries(SAMPLES)) {
    it(`gives the bytes it was made of: ${name} (${made})`, async () => {
      assert.ok(isXz(xz));
      assert.ok(Buffer.from(plain).equals(await read(xz)));
    });
  }

  it('is read out of the middle of another array', async () => {
    const { plain, xz } = SAMPLES.instructions;
    const within = new Uint8Array(xz.length + 10);
    within.set(xz, 3);
    assert.deepEqual(await read(within.subarray(3, 3 + xz.length)), plain);
  });

  it('made by hand is read', async () => {
    assert.deepEqual(await read(handMade({})), new Uint8Array([0x61, 0x62, 0x63]));
  });

  it('gives others a turn before each chunk, and within what one has', async () => {
    let turns = 0;
    const turn = async () => {
      turns++;
    };
    await unxz(SAMPLES.zeros.xz, { mostBytes: 4 * MEBIBYTE, turn });
    assert.equal(turns, 4);
  });

  it('may have as many bytes as are allowed, and no more', async () => {
    const { plain, xz } = SAMPLES.records;
    assert.equal((await read(xz, plain.length)).length, plain.length);
    await assert.rejects(read(xz, plain.length - 1), /has 3000 bytes when decompressed; 2999 are allowed/);
  });

  it('that claims to be huge is refused before anything is allocated', async () => {
    const petabyte = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    await assert.rejects(read(handMade({ plainBytes: petabyte })), /has 562949953421312 bytes/);
    await assert.rejects(
      read(handMade({ plainBytes: petabyte }), Number.MAX_SAFE_INTEGER),
      /another size than the index/,
    );
  });
});

describe('a damaged .xz file', () => {
  for (const name of ['instructions', 'blocks', 'noise'] as const) {
    it(`is refused wherever it is cut off: ${name}`, async () => {
      const { plain, xz } = SAMPLES[name];
      for (let length = 0; length < xz.length; length++)
        assert.ok(await complaint(xz.subarray(0, length), plain), `${length}`);
    });
  }

  for (const name of ['offset', 'streams'] as const) {
    it(`is refused with any bit inverted: ${name}`, async () => {
      const { plain, xz } = SAMPLES[name];
      for (let bit = 0; bit < 8 * xz.length; bit++) {
        const damaged = xz.slice();
        damaged[bit >> 3] ^= 1 << (bit & 7);
        assert.ok(await complaint(damaged, plain), `${bit}`);
      }
    });
  }

  it('is refused with bytes behind it', async () => {
    await assert.rejects(read(Uint8Array.of(...SAMPLES.noise.xz, 0, 0)), /no whole words/);
    await assert.rejects(read(Uint8Array.of(...SAMPLES.noise.xz, 1, 2, 3, 4)), /goes on behind its end/);
  });

  it('is no .xz file at all without the first bytes', async () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(64), SAMPLES.noise.xz.subarray(0, 5)])
      assert.ok(!isXz(bytes));
    await assert.rejects(read(new Uint8Array(64)), /begins with 00 00 00 00 00 00/);
    await assert.rejects(read(new Uint8Array(0)), /begins with nothing/);
  });

  for (const [what, at, why] of [
    ['stream header', 6, /CRC-32 of the stream header/],
    ['block header', 14, /CRC-32 of a block header/],
    ['index', -24, /CRC-32 of the index/],
    ['stream footer', -5, /CRC-32 of the stream footer/],
    ['check', -26, /check of a block does not match/],
  ] as const) {
    it(`says that the ${what} is wrong`, async () => {
      const damaged = SAMPLES.offset.xz.slice();
      damaged[(at + damaged.length) % damaged.length] ^= 0x10;
      await assert.rejects(read(damaged), why);
    });
  }
});

const lzma2 = [0x21, 1, 0];

describe('an .xz file whose CRCs are right is refused', () => {
  for (const [what, made, why] of [
    ['with an unknown filter', { blockFlags: 1, fields: [3, 1, 0, ...lzma2] }, /filter 0x3 is not supported/],
    ['with another filter as the last', { fields: [4, 0] }, /filter 0x4 is not supported as the last/],
    ['with a filter of x86 of wrong length', { blockFlags: 1, fields: [4, 1, 0, ...lzma2] }, /x86 filter .* 1 bytes/],
    ['with a filter of LZMA2 of wrong length', { fields: [0x21, 2, 0, 0] }, /LZMA2 filter .* 2 bytes/],
    ['with a dictionary beyond 4 GiB', { fields: [0x21, 1, 41] }, /dictionary is too large.* 41/],
    ['with SHA-256', { check: 10 }, /check is SHA-256/],
    ['with an unknown check', { check: 2 }, /check is number 2/],
    ['with reserved stream flags', { streamFlags: 0x1000 }, /flags 1000 are reserved/],
    ['with reserved block flags', { blockFlags: 4 }, /flags 4 are reserved/],
    ['with another packed size', { blockFlags: 0x40, fields: [8, ...lzma2] }, /another size than the index/],
    ['with another size', { blockFlags: 0x80, fields: [4, ...lzma2] }, /another size than the index/],
    ['with a wrong size in the index', { plainBytes: [4] }, /another size than the index/],
    ['with an endless number', { plainBytes: Array(9).fill(0xff) }, /too large/],
    ['with a number that is longer than it has to be', { plainBytes: [0x83, 0] }, /longer than it has to be/],
    ['with a number beyond 2^53', { plainBytes: [...Array(8).fill(0xff), 0x7f] }, /too large/],
    ['with a block that is larger than the file', { unpaddedBytes: [0xff, 0x7f] }, /block of 16383 bytes/],
    ['with a block of nothing', { unpaddedBytes: [0] }, /block of 0 bytes/],
    [
      'with a block that is too short for its header',
      { chunks: [] },
      /header of 12 bytes does not fit its block of 12/,
    ],
    ['with more blocks than there are', { records: 2, plainBytes: [3, 1, 1] }, /block of 1 bytes/],
    ['with an index that is too short', { records: 2 }, /index is too short/],
    ['with fewer blocks than there are', { records: 0 }, /padding of the index is not zero/],
    ['with an index of another length', { backwardSize: 2 }, /CRC-32 of the index/],
    ['with an index before the file', { backwardSize: 1000 }, /begins before the file/],
    ['with a longer index', { plainBytes: [3, 0, 0, 0, 0] }, /not as long as the stream footer says/],
    ['with padding of a block', { blockPadding: 1 }, /padding of a block is not zero/],
    ['with padding of a header', { fields: [...lzma2, 1] }, /padding of a block header is not zero/],
    ['with an unknown chunk', { chunks: [3, 0, 0] }, /chunk begins with 3/],
    ['with chunks that do not end', { chunks: [1, 0, 2, 0x61, 0x62, 0x63] }, /cut off/],
    ['with a chunk that is cut off', { chunks: [1, 0, 3, 0x61, 0x62, 0x63] }, /cut off/],
    ['with half the header of a chunk', { chunks: [1, 0, 2, 0x61, 0x62, 0x63, 0x80, 0] }, /cut off/],
    ['with bytes behind the last chunk', { chunks: [1, 0, 2, 0x61, 0x62, 0x63, 0, 0] }, /another size/],
    ['with a first chunk that resets nothing', { chunks: [2, 0, 2, 0x61, 0x62, 0x63, 0] }, /goes on from/],
    ['with LZMA data that reset nothing', { chunks: [0x80, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0] }, /goes on from/],
    ['with impossible properties', { chunks: [0xe0, 0, 2, 0, 4, 225, 0, 0, 0, 0, 0, 0] }, /properties of 225/],
    ['with too much context', { chunks: [0xe0, 0, 2, 0, 4, 13, 0, 0, 0, 0, 0, 0] }, /properties of 13/],
    ['with LZMA data that are too short', { chunks: [0xe0, 0, 2, 0, 3, 0, 0, 0, 0, 0, 0] }, /zero byte and a code/],
    [
      'with LZMA data that begin with a one',
      { chunks: [0xe0, 0, 2, 0, 4, 0, 1, 0, 0, 0, 0, 0] },
      /zero byte and a code/,
    ],
    ['with LZMA data that go on', { chunks: [0xe0, 0, 2, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0] }, /not as long as its data/],
    ['with a match of nothing', { chunks: [0xe0, 0, 2, 0, 4, 0, 0, 0xff, 0xff, 0, 0, 0] }, /before the dictionary/],
  ] as const satisfies readonly (readonly [string, HandMade, RegExp])[]) {
    it(what, () =>
      assert.rejects(read(handMade(made)), (error) => error instanceof XzInvalid && why.test(error.message)),
    );
  }
});

describe('unxz', () => {
  it('survives any LZMA data', async () => {
    const bytes = noise(20_000);
    for (let from = 0; from < bytes.length - 60; from += 60) {
      const chunks = [
        0xe0 + (bytes[from] & 1),
        0xff,
        0xff,
        0,
        59,
        bytes[from] % 5,
        0,
        ...bytes.subarray(from + 1, from + 60),
        0,
      ];
      const plainBytes = bytes[from] & 1 ? [0x80, 0x80, 8] : [0x80, 0x80, 4];
      await assert.rejects(read(handMade({ chunks, plainBytes })), XzInvalid);
    }
  });
});
