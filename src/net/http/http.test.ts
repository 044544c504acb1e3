import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SplitMix64 } from '../../base/random.ts';
import type { HostFailure, HostStream, StreamListener } from '../interfaces.ts';
import { counting } from '../tcp/test-guest.case.ts';
import { TestBootFolder } from '../test-boot-folder.case.ts';
import { HttpServer } from './server.ts';

const FILE_BYTES = 600_000;

/** A client that keeps everything it gets. */
class Client implements StreamListener {
  readonly folder = new TestBootFolder({
    'boot/a file.efi': new TextEncoder().encode('0123456789'),
    large: counting(FILE_BYTES),
    empty: new Uint8Array(0),
  });
  readonly stream: HostStream;
  readonly parts: Uint8Array[] = [];
  isOpen = false;
  hasEnded = false;
  failure: HostFailure | undefined;
  drains = 0;

  constructor(server?: HttpServer) {
    this.stream = (server ?? new HttpServer(this.folder.open)).connect(this);
    this.stream.setFlowing(false);
    this.stream.setFlowing(true);
  }

  opened(): void {
    this.isOpen = true;
  }
  data(bytes: Uint8Array): void {
    this.parts.push(bytes);
  }
  ended(): void {
    this.hasEnded = true;
  }
  drained(): void {
    this.drains++;
  }
  failed(why: HostFailure): void {
    this.failure = why;
  }

  get text(): string {
    return Buffer.concat(this.parts).toString('latin1');
  }

  /** Sends text and lets the server do what it can. @returns what came because of it */
  async say(text: string): Promise<string> {
    this.parts.length = 0;
    this.stream.write(new TextEncoder().encode(text));
    return this.settle();
  }

  async settle(): Promise<string> {
    for (let turns = 0; turns < 60; turns++) await Promise.resolve();
    return this.text;
  }

  /** Asks for a path with further fields. */
  get(path: string, ...fields: string[]): Promise<string> {
    return this.say(request(path, ...fields));
  }
}

function request(path: string, ...fields: string[]): string {
  return `${[`GET ${path} HTTP/1.1`, 'Host: 10.0.2.4', ...fields].join('\r\n')}\r\n\r\n`;
}

const FOUND = `HTTP/1.1 200 OK\r
Server: Vitrine\r
Accept-Ranges: bytes\r
Content-Type: application/efi\r
Content-Length: 10\r
Connection: keep-alive\r
\r
`;

describe('HTTP', () => {
  it('hands out a file, and another on the same connection', async () => {
    const client = new Client();
    assert.equal(await client.get('/boot/a%20file.efi?x=1'), `${FOUND}0123456789`);
    assert.ok(client.isOpen);
    assert.equal(await client.get('http://10.0.2.4/boot/a%20file.efi'), `${FOUND}0123456789`);
    assert.match(await client.get('/empty'), /Content-Length: 0\r\n.*\r\n\r\n$/s);
    assert.deepEqual([client.hasEnded, client.folder.openFiles], [false, 0]);
  });

  it('tells of a file without its content', async () => {
    assert.equal(await new Client().say(request('/boot/a%20file.efi').replace('GET', 'HEAD')), FOUND);
  });

  it('answers requests that come together, or in pieces, in their order', async () => {
    const client = new Client();
    const two = `\r\n${request('/boot/a%20file.efi')}${request('/none')}`;
    const answer = await client.say(two);
    assert.ok(answer.startsWith(`${FOUND}0123456789HTTP/1.1 404 Not Found`));
    let pieces = '';
    for (const piece of two) pieces += await client.say(piece);
    assert.equal(pieces, answer);
    assert.equal(client.stream.queuedBytes, 0);
  });

  for (const [range, status, content, where] of [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, '416 Range Not Satisfiable\n', 'bytes */10'],
    ['bytes=-0', 416, '416 Range Not Satisfiable\n', 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=0-1,3-4', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ] as const) {
    it(`answers ${range} by ${status}`, async () => {
      const answer = await new Client().get('/boot/a%20file.efi', `Range: ${range}`);
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `) && answer.endsWith(`\r\n\r\n${content}`), answer);
      assert.equal(/^Content-Range: (.*)\r$/m.exec(answer)?.[1], where);
    });
  }

  it('gives all of a file to whom a range depends on what files have not', async () => {
    const answer = await new Client().get('/boot/a%20file.efi', 'Range: bytes=2-4', 'If-Range: "x"');
    assert.ok(answer.endsWith('0123456789'));
  });

  for (const [what, text, status] of [
    ['no request', 'hello\r\n\r\n', 400],
    ['another version', 'GET / HTTP/2.0\r\n\r\n', 505],
    ['a host that is not told', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a line that is no field', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['content', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n', 413],
    ['content in pieces', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 413],
    ['a head without an end', `GET / HTTP/1.1\r\nA: ${'a'.repeat(8192)}`, 431],
  ] as const) {
    it(`refuses ${what} and closes, whatever follows`, async () => {
      const client = new Client();
      assert.match(
        await client.say(text),
        new RegExp(`^HTTP/1.1 ${status} .*Connection: close\r\n\r\n${status} `, 's'),
      );
      assert.ok(client.hasEnded);
      assert.equal(await client.get('/large'), '');
    });
  }

  for (const [what, text, status] of [
    ['a file that is not there', request('/none'), 404],
    ['a path that cannot be read', request('/%zz'), 400],
    ['a target that is no path', request('none'), 400],
    ['another method', request('/large').replace('GET', 'PUT'), 405],
  ] as const) {
    it(`refuses ${what} and goes on`, async () => {
      const client = new Client();
      assert.ok((await client.say(text)).startsWith(`HTTP/1.1 ${status} `));
      assert.equal(await client.get('/boot/a%20file.efi'), `${FOUND}0123456789`);
    });
  }

  it('closes when the client wants it, or is of HTTP/1.0 and does not say otherwise', async () => {
    const clients = [new Client(), new Client(), new Client()];
    await clients[0].get('/empty', 'Connection: TE, Close');
    await clients[1].say('GET /empty HTTP/1.0\r\n\r\n');
    await clients[2].say('GET /empty HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
    assert.deepEqual(
      clients.map(({ hasEnded }) => hasEnded),
      [true, true, false],
    );
    clients[2].stream.end();
    await clients[2].settle();
    assert.equal(clients[2].hasEnded, true);
  });

  it('sends no more than the client takes', async () => {
    const client = new Client();
    client.stream.setFlowing(false);
    const head = await client.get('/large');
    assert.ok(head.endsWith('\r\n\r\n'));
    client.parts.length = 0;
    client.data = (bytes) => {
      client.parts.push(bytes);
      client.stream.setFlowing(false);
    };
    const counts: number[] = [];
    for (let pieces = 0; pieces < 3; pieces++) {
      client.stream.setFlowing(true);
      await client.settle();
      counts.push(client.parts.length);
    }
    assert.deepEqual(counts, [1, 2, 3]);
    assert.deepEqual(new Uint8Array(Buffer.concat(client.parts)), counting(FILE_BYTES));
    assert.equal(client.folder.openFiles, 0);
  });

  it('closes the file of a client that has gone', async () => {
    const client = new Client();
    client.stream.setFlowing(false);
    await client.get('/large');
    assert.equal(client.folder.openFiles, 1);
    client.stream.reset();
    await client.settle();
    assert.equal(client.folder.openFiles, 0);
  });

  it('breaks the connection where promised bytes are gone', async () => {
    const shrunk = { sizeBytes: 9, read: async () => new Uint8Array(4), close() {} };
    const client = new Client(new HttpServer(async () => shrunk));
    await client.get('/');
    assert.equal(client.failure, 'reset');
  });

  it('has a bounded number of files open, and serves again when some are closed', async () => {
    const folder = new TestBootFolder({ large: counting(FILE_BYTES) });
    const server = new HttpServer(folder.open);
    const clients = Array.from({ length: 65 }, () => new Client(server));
    for (const client of clients) client.stream.setFlowing(false);
    const answers = await Promise.all(clients.map((client) => client.get('/large')));
    assert.deepEqual(
      answers.map((answer) => answer.slice(9, 12)),
      [...new Array(64).fill('200'), '503'],
    );
    clients[0].stream.reset();
    await clients[0].settle();
    assert.ok((await clients[64].get('/large')).startsWith('HTTP/1.1 200'));
  });

  it('takes whatever comes, keeps little of it, and leaves no file open', async () => {
    const random = new SplitMix64(1n);
    const below = (n: number) => Number(random.next() % BigInt(n));
    const words = [
      'GET',
      ' ',
      '/large',
      '/%2e%2e/',
      '\r\n',
      '\r\n\r\n',
      'HTTP/1.1',
      'Host: a',
      'Range: bytes=',
      '9',
      '-',
      ':',
      '\0',
      '\xff',
    ];
    const folder = new TestBootFolder({ large: counting(FILE_BYTES) });
    const server = new HttpServer(folder.open);
    for (let n = 0; n < 100; n++) {
      const client = new Client(server);
      let text = n % 2 ? request('/large') : '';
      for (let count = below(60); count > 0; count--) text += words[below(words.length)];
      const cut = below(text.length + 1);
      client.stream.setFlowing(n % 3 > 0);
      for (const part of [text.slice(0, cut), text.slice(cut)]) await client.say(part);
      assert.ok(client.stream.queuedBytes <= 2 * text.length);
      client.stream.reset();
      await client.settle();
    }
    assert.equal(folder.openFiles, 0);
  });
});
