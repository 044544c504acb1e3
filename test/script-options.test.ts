import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOptions, usageText } from './script-options.ts';

const USAGE = { command: 'npm run bake', about: 'bakes bread', example: '--loaves 2' };
const OPTIONS = {
  loaves: { value: 'N', about: 'how many', default: '1' },
  flour: { value: 'NAME', about: 'of what' },
} as const;

test('options have their values, or what stands for them', () => {
  assert.deepEqual({ ...parseOptions(['--flour', 'rye'], OPTIONS) }, { loaves: '1', flour: 'rye' });
  assert.equal(parseOptions([], OPTIONS)?.flour, undefined);
});

test('help is no set of values, and tells of every option', () => {
  assert.equal(parseOptions(['--loaves', '2', '--help'], OPTIONS), undefined);
  assert.equal(
    usageText(USAGE, OPTIONS),
    `npm run bake -- [options]: bakes bread

  --loaves N    how many (1)
  --flour NAME  of what

Example: npm run bake -- --loaves 2`,
  );
});

test('an unknown option, or one without its value, is an error', () => {
  for (const args of [['--cake'], ['--loaves'], ['rye']]) assert.throws(() => parseOptions(args, OPTIONS), TypeError);
});
