import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abstractGuest, Builder } from '../../ir/builder.ts';
import { Origins } from './origins.ts';

function prepare(modulo32 = false) {
  const b = new Builder({ pendingOffset: 0, guest: abstractGuest }, ['i32']);
  const origins = new Origins(modulo32, 1);
  const variable = b.lastingVariable(modulo32 ? 'i32' : 'i64', 'register', 0);
  const read = () => {
    const value = b.get(variable);
    origins.read(value, variable);
    return value;
  };
  return { b, origins, variable, read };
}

test('sums of a register and constants differ by the constants', () => {
  const { origins, read } = prepare();
  const root = origins.of(read())?.root;
  assert.deepEqual(origins.of(read().add(24).sub(8)), { root, offset: 16 });
  assert.deepEqual(origins.of(read().add(-8)), { root, offset: -8 });
});

test('a register that is set to itself and a constant keeps its origin', () => {
  const { origins, variable, read } = prepare();
  const root = origins.of(read())?.root;
  origins.write(variable, read().sub(8));
  assert.deepEqual(origins.of(read().add(8)), { root, offset: 0 });
});

test('a register that is set to anything else has another origin', () => {
  const { b, origins, variable, read } = prepare();
  const before = origins.of(read());
  origins.write(variable, b.load('i64', 8, b.cpu, 64));
  assert.notEqual(origins.of(read())?.root, before?.root);
  origins.write(variable, read().shl(1));
  assert.equal(origins.of(read().shl(1)), undefined);
});

test('a register that one of two ways sets is unknown behind them', () => {
  const { origins, variable, read } = prepare();
  const before = origins.of(read());
  const fork = origins.fork();
  origins.write(variable, read().add(8));
  origins.endWay(fork);
  assert.deepEqual(origins.of(read()), before, 'the other way begins where the first one began');
  origins.endWay(fork);
  origins.merge(fork);
  assert.notEqual(origins.of(read())?.root, before?.root);
});

test('what is told of a place stays, whatever is set behind it', () => {
  const { origins, variable, read } = prepare();
  const before = origins.of(read());
  const told = origins.holdings;
  origins.write(variable, read().add(8));
  assert.deepEqual(told[variable.tag], before);
});

test('where ways meet, a register is known that they agree about', () => {
  const { origins, variable, read } = prepare();
  const before = origins.of(read());
  const one = origins.holdings;
  origins.meet([one, one]);
  assert.deepEqual(origins.of(read()), before);
  origins.write(variable, read().add(8));
  origins.meet([one, origins.holdings]);
  assert.notEqual(origins.of(read())?.root, before?.root);
});

test('addresses of 32-bit code wrap, and their extensions are theirs', () => {
  const { origins, read } = prepare(true);
  const root = origins.of(read())?.root;
  assert.deepEqual(origins.of(read().add(0xffff_fffc).extU()), { root, offset: -4 });
  assert.deepEqual(origins.of(read().extU().sub(4).and(0xffff_ffffn)), { root, offset: -4 });
});

test('in 64-bit code, what is cut to 32 bits is something else', () => {
  const { origins, read } = prepare();
  assert.equal(origins.of(read().wrap().extU()), undefined);
  assert.equal(origins.of(read().and(0xffff_ffffn)), undefined);
});

test('constants of more than 32 bits are not added up: numbers might round them', () => {
  const { origins, read } = prepare();
  const far = read().add((1n << 62n) + 1n);
  assert.equal(origins.of(far), undefined);
  assert.equal(origins.of(far.sub(1n << 62n)), undefined);
});
