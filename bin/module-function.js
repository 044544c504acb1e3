// Turns a module of ours into a function. V8 keeps what it compiled of a function's script, and keeps of a module only what
// it compiled before the module ran. Plain JavaScript.

/** Where a statement of a module that takes several lines or one stood, as many are left: stack traces tell lines. */
const linesOf = (text) => '\n'.repeat(text.split('\n').length - 1);

/** The names in the braces of an import or export: each with the one that it gets there. */
function namesIn(list) {
  const names = list.split(',').map((name) => name.trim());
  return names.filter((name) => name !== '').map((name) => name.split(/\s+as\s+/));
}

function destructuring(list) {
  const names = namesIn(list).map(([name, local]) => (local ? `${name}: ${local}` : name));
  return `{ ${names.join(', ')} }${linesOf(list)}`;
}

const FROM = String.raw`\s+from\s+('[^']*'|"[^"]*");`;

/** Imports, as they begin a line, and what they become. */
const IMPORTS = [
  [`^import\\s+\\{([^}]*)\\}${FROM}`, (_, list, from) => `const ${destructuring(list)} = $import(${from});`],
  [`^import\\s+\\*\\s+as\\s+([\\w$]+)${FROM}`, (_, name, from) => `const ${name} = $import(${from});`],
  [`^import\\s+([\\w$]+)${FROM}`, (_, name, from) => `const ${name} = $default($import(${from}));`],
  [
    `^import\\s+([\\w$]+),\\s+\\{([^}]*)\\}${FROM}`,
    (_, name, list, from) => `const ${name} = $default($import(${from})), ${destructuring(list)} = $import(${from});`,
  ],
];

/** Exports, what they become, and what they add to the object that the function returns. */
const EXPORTS = [
  [`^export\\s+\\*${FROM}`, () => '', (from) => [`...$import(${from})`]],
  [
    `^export\\s+\\{([^}]*)\\}${FROM}`,
    (all) => linesOf(all),
    (list, from) => namesIn(list).map(([name, given = name]) => `${given}: $import(${from}).${name}`),
  ],
  [
    '^export\\s+\\{([^}]*)\\};',
    (all) => linesOf(all),
    (list) => namesIn(list).map(([name, given = name]) => `${given}: ${name}`),
  ],
  [
    '^export\\s+(?:(?:async\\s+)?function\\s*\\*?|class|const)\\s+([\\w$]+)',
    (all) => all.replace(/^export\s+/, ''),
    (name) => [name],
  ],
];

/**
 * The text of a function with a module's statements. It takes what imports a module, what picks a module's default, what
 * imports later, and `import.meta`; and returns the object of the exports. Lines stay where they are.
 *
 * It knows the forms that our sources have, each at the beginning of a line, which a test checks; V8 rejects others.
 * Exports are what they are when the module has run: none of ours changes later, no two of ours import each other, and none
 * waits while it runs.
 * @param source without types
 */
export function moduleFunction(source) {
  const returned = [];
  let text = source;
  for (const [form, becomes] of IMPORTS) text = text.replace(new RegExp(form, 'gm'), becomes);
  for (const [form, becomes, returns] of EXPORTS) {
    text = text.replace(new RegExp(form, 'gm'), (all, ...groups) => {
      returned.push(...returns(...groups));
      return becomes(all);
    });
  }
  text = text
    .replace(/(?<![$.\w])import\(/g, () => '$importLater(')
    .replace(/(?<![$.\w])import\.meta\b/g, () => '$meta');
  return `(($import, $default, $importLater, $meta) => {'use strict';${text}\nreturn { ${returned.join(', ')} };\n})`;
}
