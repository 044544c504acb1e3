import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interruptMessageOfMsi } from './interrupt-message.ts';

test('an MSI address and data give destination, vector and modes', () => {
  assert.deepEqual(interruptMessageOfMsi(0xfee0300c, 0x4141), {
    vector: 0x41,
    deliveryMode: 1,
    destination: 3,
    destinationMode: 'logical',
    triggerMode: 'edge',
  });
  assert.deepEqual(interruptMessageOfMsi(0xfeeff000, 0xc030), {
    vector: 0x30,
    deliveryMode: 0,
    destination: 0xff,
    destinationMode: 'physical',
    triggerMode: 'level',
  });
});
