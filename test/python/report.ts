import { REPORT } from './suite-script.ts';

/** How a test case ended. */
export type Outcome = 'passed' | 'failed' | 'skipped';

/** The outcomes of test cases by name, by module. */
export type Report = ReadonlyMap<string, ReadonlyMap<string, Outcome>>;

/** Reads what the suite's script wrote to its results' stream. */
export function parseReport(text: string): Report {
  const pattern = new RegExp(`^${REPORT.begin} (\\S+)\\s([\\s\\S]*?)^${REPORT.end}`, 'gm');
  return new Map([...text.matchAll(pattern)].map(([, module = '', xml = '']) => [module, parseModule(xml)]));
}

/** Reads the elements `<testcase name="…">…</testcase>` of JUnit's XML. A case may stand there more than once, for its parts. */
function parseModule(xml: string): Map<string, Outcome> {
  const cases = new Map<string, Outcome>();
  for (const [, attributes = '', content = ''] of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const name = /name="([^"]*)"/.exec(attributes)?.[1] ?? '';
    if (cases.get(name) !== 'failed') cases.set(name, outcomeOf(content));
  }
  return cases;
}

function outcomeOf(content: string): Outcome {
  if (/<(failure|error)\b/.test(content)) return 'failed';
  return content.includes('<skipped') ? 'skipped' : 'passed';
}

/** What differs between two reports of one module, a line each. */
export function differences(expected: ReadonlyMap<string, Outcome>, actual: ReadonlyMap<string, Outcome>): string[] {
  const names = new Set([...expected.keys(), ...actual.keys()]);
  return [...names]
    .filter((name) => expected.get(name) !== actual.get(name))
    .map((name) => `${name}: ${actual.get(name) ?? 'absent'}, on the host ${expected.get(name) ?? 'absent'}`);
}
