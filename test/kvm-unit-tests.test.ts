import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IMAGE_FOLDERS } from './kvm-unit-tests/images.ts';
import { runImage } from './kvm-unit-tests/run.ts';

/** Its subfolders i386 and x86_64 hold the .flat images that kvm-unit-tests' own build makes. */
const FOLDER = process.env.VITRINE_KVM_UNIT_TESTS;
const MOST_INSTRUCTIONS = 20_000_000_000;
const ENGINES = [
  ['interpreted', undefined],
  ['translated', { hotAfter: 1000 }],
  ['translated at once', { hotAfter: 0 }],
] as const;

function reasonToSkip(path: string): string | false {
  if (FOLDER === undefined) return 'VITRINE_KVM_UNIT_TESTS names no folder';
  return !existsSync(path) && `${path} is not there`;
}

for (const { folder, images } of IMAGE_FOLDERS) {
  for (const image of images) {
    const path = join(FOLDER ?? '', folder, `${image.name}.flat`);
    for (const [engine, jit] of ENGINES) {
      test(`kvm-unit-tests: ${folder} ${image.name} passes, ${engine}`, { skip: reasonToSkip(path) }, () => {
        const { status, output, where } = runImage(readFileSync(path), image, MOST_INSTRUCTIONS, jit);
        assert.equal(status, 0, `${where}\n${output}`);
      });
    }
  }
}
