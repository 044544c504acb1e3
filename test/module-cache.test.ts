import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from './source-files.ts';

describe('the cache of modules', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'vitrine-modules-'));
    cpSync(join(projectRoot, 'bin'), join(folder, 'bin'), { recursive: true });
    mkdirSync(join(folder, 'src/cli'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'src/cli/main.ts'), `import { said } from './part.ts';\nconsole.log(said as string);\n`);
  });
  after(() => rmSync(folder, { recursive: true }));

  const kept = () => join(folder, 'cache/vitrine/compiled');
  const write = (text: string, seconds: number) => {
    const path = join(folder, 'src/cli/part.ts');
    writeFileSync(path, text);
    utimesSync(path, seconds, seconds);
  };
  const run = (cache = 'cache') => {
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, cache) };
    return execFileSync(process.execPath, [join(folder, 'bin/vitrine')], { encoding: 'utf8', env, stdio: 'pipe' });
  };

  it('gives what the files say, and notices when one changes', () => {
    write(`export const said: string = 'one';\n`, 1000);
    assert.equal(run(), 'one\n');
    assert.equal(readdirSync(kept()).length, 1);
    assert.equal(run(), 'one\n');
    write(`export const said: string = 'two';\n`, 2000);
    assert.equal(run(), 'two\n');
    assert.equal(run(), 'two\n');
  });

  it('is what modules are loaded from', () => {
    write(`export const said: string = 'abc';\n`, 3000);
    run();
    write(`export const said: string = 'xyz';\n`, 3000);
    assert.equal(run(), 'abc\n', 'the file has the same size and time of change');
  });

  it('is made anew when it is damaged', () => {
    const [name] = readdirSync(kept());
    writeFileSync(join(kept(), name), Buffer.from([3, 0, 0, 0, 0x5b]));
    write(`export const said: string = 'two';\n`, 4000);
    assert.equal(run(), 'two\n');
    assert.equal(run(), 'two\n');
  });

  it('takes no more room than it may: what was not used for longest goes', () => {
    const others = ['first', 'second', 'third'];
    for (const [n, name] of others.entries()) {
      writeFileSync(join(kept(), name), '');
      truncateSync(join(kept(), name), 24 * 2 ** 20);
      utimesSync(join(kept(), name), 100 + n, 100 + n);
    }
    write(`export const said: string = 'new';\n`, 4200);
    assert.equal(run(), 'new\n');
    assert.deepEqual(
      others.filter((name) => readdirSync(kept()).includes(name)),
      ['second', 'third'],
    );
    for (const name of others) rmSync(join(kept(), name), { force: true });
  });

  it('knows what was used last', () => {
    const [name] = readdirSync(kept());
    utimesSync(join(kept(), name), 1, 1);
    run();
    assert.ok(statSync(join(kept(), name)).mtimeMs > 1000);
  });

  it('is silently done without where nothing can be kept', () => {
    write(`export const said: string = 'ten';\n`, 4500);
    assert.equal(run('package.json'), 'ten\n');
  });

  it('does not stand in the way of a source that is wrong', () => {
    write('export const said: = 1;\n', 5000);
    assert.throws(
      () => run(),
      (error: { stderr: string }) => {
        assert.match(error.stderr, /SyntaxError/);
        assert.match(error.stderr, /part\.ts/);
        return true;
      },
    );
  });
});
