import assert from 'node:assert/strict';
import module from 'node:module';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import vm from 'node:vm';
import { parseSync } from 'oxc-parser';
import { moduleFunction } from '../bin/module-function.js';
import { readSources } from './source-files.ts';

type Exports = Record<string, unknown>;

/** Runs a module as a function, with these modules to import. */
function run(source: string, modules: Record<string, Exports> = {}, meta: object = {}): Exports {
  const imported = (name: string) => modules[name];
  const fallback = (exports: Exports) => exports.default ?? exports;
  const later = async (name: string) => imported(name);
  return vm.runInThisContext(moduleFunction(source))(imported, fallback, later, meta);
}

/** Paths of the modules that one imports when it runs. */
function importedBy(path: string, text: string): string[] {
  const { staticImports, staticExports } = parseSync(path, module.stripTypeScriptTypes(text)).module;
  const again = staticExports.flatMap(({ entries }) => entries.map(({ moduleRequest }) => moduleRequest));
  const names = [...staticImports.map(({ moduleRequest }) => moduleRequest), ...again].map((name) => name?.value ?? '');
  return names.filter((name) => name.startsWith('.')).map((name) => posix.join(path, '..', name));
}

/** Names that a parser finds exported, with `*` for all of another module's. */
function exportedBy(path: string, source: string): string[] {
  const { staticExports } = parseSync(path, source).module;
  const entries = staticExports.flatMap((statement) => statement.entries).filter(({ isType }) => !isType);
  return entries.map(({ exportName }) => exportName.name ?? '*').sort();
}

describe('a module as a function', () => {
  it('imports in all forms that sources have', () => {
    const modules = { './a.ts': { one: 1, two: 2 }, './b.ts': { default: 3 } };
    const forms = [
      `import { one, two as zwei } from './a.ts';`,
      `import * as all from './a.ts';`,
      `import three from './b.ts';`,
      `import whole, { two } from './a.ts';`,
    ];
    const { found } = run(
      `${forms.join('\n')}\nexport const found = [one, zwei, all.two, three, whole.one, two];`,
      modules,
    );
    assert.deepEqual(found, [1, 2, 2, 3, 1, 2]);
  });

  it('exports in all forms that sources have', () => {
    const forms = [
      `export const a = 1;`,
      `export function f() {}`,
      `export async function g() {}`,
      `export function* h() {}`,
      `export class C {}`,
      `const x = 2;\nexport { x, x as y };`,
      `export { one as eins } from './a.ts';`,
      `export * from './b.ts';`,
    ];
    const exports = run(forms.join('\n'), { './a.ts': { one: 5 }, './b.ts': { six: 6 } });
    assert.equal(Object.keys(exports).sort().join(), 'C,a,eins,f,g,h,six,x,y');
    assert.deepEqual([exports.a, exports.x, exports.y, exports.eins, exports.six], [1, 2, 2, 5, 6]);
  });

  it('imports later and knows itself', async () => {
    const source = `export const later = async () => (await import('./a.ts')).one;\nexport const { url } = import.meta;`;
    assert.throws(() => run(source), SyntaxError, 'a form that no source has');
    const exports = run(
      source.replace('{ url }', 'at').replace('meta;', 'meta.url;'),
      { './a.ts': { one: 1 } },
      { url: 'x' },
    );
    assert.equal(await (exports.later as () => Promise<unknown>)(), 1);
    assert.equal(exports.at, 'x');
  });

  it('has its lines where they were', () => {
    const source = `import {\n  a,\n  b,\n} from './a.ts';\nexport { a };\nthrow new Error('here');`;
    const { stack = '' } = assertThrown(() => vm.runInThisContext(moduleFunction(source), 'file.js')(() => ({})));
    assert.match(stack, /file\.js:6:/);
  });

  it('imports no module that imports it', () => {
    const sources = new Map(readSources('src').map(({ path, text }) => [path, importedBy(path, text)]));
    const done = new Set<string>();
    const follow = (path: string, before: readonly string[]) => {
      assert.ok(!before.includes(path), `${[...before, path].join(' imports ')}`);
      if (!done.has(path)) for (const next of sources.get(path) ?? []) follow(next, [...before, path]);
      done.add(path);
    };
    for (const path of sources.keys()) follow(path, []);
  });

  it('exports of every source what a parser finds', () => {
    for (const { path, text } of readSources('src').filter((source) => !source.path.startsWith('src/console/'))) {
      const source = module.stripTypeScriptTypes(text);
      const made = moduleFunction(source);
      new vm.Script(made, { filename: path });
      const [, returned = ''] = /\nreturn \{ (.*) \};\n\}\)$/.exec(made) ?? [];
      const names = returned.split(', ').filter((name) => name !== '');
      const exported = names.map((name) => (name.startsWith('...') ? '*' : (name.split(':')[0] ?? '')));
      assert.deepEqual(exported.sort(), exportedBy(path, source), path);
    }
  });
});

function assertThrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  assert.fail('nothing was thrown');
}
