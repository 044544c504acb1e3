import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonStream } from './json-stream.ts';

describe('JsonStream', () => {
  it('cuts values that follow one another with nothing between', () => {
    assert.deepEqual(new JsonStream().push('{"a":1}{"b":[2]} \n[3]'), ['{"a":1}', '{"b":[2]}', '[3]']);
  });

  it('puts a value together from pieces', () => {
    const stream = new JsonStream();
    assert.deepEqual(stream.push('{"a":'), []);
    assert.deepEqual(stream.push('1}{'), ['{"a":1}']);
    assert.deepEqual(stream.push('}'), ['{}']);
  });

  it('takes brackets and escaped quotes in strings for text', () => {
    const value = String.raw`{"a":"}]\"{\\"}`;
    assert.deepEqual(new JsonStream().push(`${value}${value}`), [value, value]);
  });

  it('cuts text that is no object at the end of its line', () => {
    assert.deepEqual(new JsonStream().push('hello\n\r\n{}'), ['hello', '{}']);
  });

  it('refuses a value without end', () => {
    assert.throws(() => new JsonStream().push(`{${' '.repeat(2 ** 20)}`), RangeError);
  });
});
