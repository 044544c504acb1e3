import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vgaFont } from './fonts.ts';

function rows(code: number, height: 8 | 14 | 16): string[] {
  const font = vgaFont(height).subarray(code * height, (code + 1) * height);
  return [...font].map((row) => row.toString(2).padStart(8, '0').replaceAll('0', '.').replaceAll('1', '#'));
}

test('fonts have 256 characters of their height', () => {
  for (const height of [8, 14, 16] as const) assert.equal(vgaFont(height).length, 256 * height);
});

test('only the blanks are blank', () => {
  for (const height of [8, 14, 16] as const) {
    const blank = Array.from({ length: 256 }, (_, code) => code).filter(
      (code) => !rows(code, height).join('').includes('#'),
    );
    assert.deepEqual(blank, [0x00, 0x20, 0xff]);
  }
});

test('a letter stands on its base line', () => {
  assert.deepEqual(rows(0x4c, 16), [
    ...Array(3).fill('........'),
    ...Array(8).fill('.#......'),
    '.######.',
    ...Array(4).fill('........'),
  ]);
});

test('lines of boxes reach the edges of the cell and join at corners', () => {
  assert.deepEqual(rows(0xc9, 8), [
    '........',
    '........',
    '........',
    '..######',
    '..#.....',
    '..#..###',
    '..#..#..',
    '..#..#..',
  ]);
  assert.deepEqual(new Set(rows(0xb3, 14)), new Set(['...##...']));
  assert.equal(rows(0xc4, 16)[8], '########');
  assert.equal(rows(0xd7, 16)[8], '########');
});
