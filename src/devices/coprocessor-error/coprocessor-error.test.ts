import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CoprocessorError } from './coprocessor-error.ts';

function chip() {
  const levels: boolean[] = [];
  return { levels, error: new CoprocessorError({ set: (level) => levels.push(level) }) };
}

describe('x87 errors of a PC', () => {
  it('assert the interrupt until the port is written, and are then ignored until the next one', () => {
    const { error, levels } = chip();
    assert.equal(error.error(true), false);
    assert.equal(error.error(false), false);
    assert.equal(levels.at(-1), true);
    error.write();
    assert.equal(levels.at(-1), false);
    assert.equal(error.error(false), true, 'IGNNE# while FERR# lasts');
    assert.equal(levels.at(-1), false);
    assert.equal(error.error(true), false, 'another error');
    assert.equal(levels.at(-1), true);
  });

  it('are not ignored for a write that came before', () => {
    const { error } = chip();
    error.write();
    assert.equal(error.error(false), false);
  });

  it('are saved with the latch and IGNNE#', () => {
    const { error } = chip();
    error.error(true);
    const latched = chip();
    latched.error.restore(error.save());
    assert.equal(latched.levels.at(-1), true);
    error.write();
    const ignored = chip();
    ignored.error.restore(error.save());
    assert.equal(ignored.levels.at(-1), false);
    assert.equal(ignored.error.error(false), true);
  });
});
