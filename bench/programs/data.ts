import { SplitMix64 } from '../../src/base/random.ts';

const SYLLABLES =
  'ba be ca co da de fi ga hi ing is la le ma mi na no on ou pa ra re sa si ta ter tion ul un va ver'.split(' ');
const WORDS = 4000;
const TEXT_BYTES = 3 << 20;
const FUNCTIONS = 1500;
const TABLE_ROWS = 60_000;

/** Numbers below `limit`, the same every time. */
function numbers(seed: bigint): (limit: number) => number {
  const random = new SplitMix64(seed);
  return (limit) => Number(random.next() % BigInt(limit));
}

/** Lines of invented words, the short ones frequent, as text is. */
export function makeText(): string {
  const below = numbers(1n);
  const words = Array.from({ length: WORDS }, () =>
    Array.from({ length: 1 + below(4) }, () => SYLLABLES[below(SYLLABLES.length)]).join(''),
  );
  const parts: string[] = [];
  for (let bytes = 0; bytes < TEXT_BYTES; ) {
    const word = words[Math.min(below(WORDS), below(WORDS), below(WORDS))];
    parts.push(word, below(12) === 0 ? '\n' : ' ');
    bytes += word.length + 1;
  }
  return parts.join('');
}

/** A C source without any #include. */
export function makeSource(): string {
  const below = numbers(2n);
  const functions = Array.from({ length: FUNCTIONS }, (_, n) => {
    const called = n === 0 ? 'a' : `f${below(n)}(a ^ ${below(99)}, b + 1)`;
    return `static int f${n}(int a, int b) {
  int t[${2 + below(14)}], i, s = ${below(1000)};
  for (i = 0; i < (int)(sizeof t / sizeof *t); i++) { t[i] = a * i + b; if (t[i] % ${2 + below(9)} == 0) s += t[i] >> ${1 + below(7)}; }
  switch (a & 3) { case 0: return s + b; case 1: return s - ${below(500)}; case 2: return ${called}; default: return s ? s * b : a; }
}`;
  });
  return `${functions.join('\n')}\nint main(void) { return f${FUNCTIONS - 1}(1, 2) & 127; }\n`;
}

/** Statements that fill a table and ask it questions. */
export function makeTable(): string {
  return `CREATE TABLE sales(id INTEGER PRIMARY KEY, shop INTEGER, item TEXT, price REAL);
INSERT INTO sales WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${TABLE_ROWS})
  SELECT i, i * 7919 % 97, 'item ' || (i * 31337 % 1009), (i * 271 % 10007) / 16.0 FROM n;
CREATE INDEX by_shop ON sales(shop, price);
SELECT shop, count(*), round(sum(price), 3) FROM sales GROUP BY shop ORDER BY 3 DESC LIMIT 10;
SELECT item, count(*) AS c, max(price) FROM sales WHERE item LIKE '%7%' GROUP BY item ORDER BY c DESC, item LIMIT 10;
SELECT count(*), sum(a.id) FROM sales a JOIN sales b ON b.id = a.id * 3 % ${TABLE_ROWS} + 1 WHERE a.price > b.price;
UPDATE sales SET price = price * 1.25 WHERE shop IN (SELECT shop FROM sales GROUP BY shop HAVING avg(price) > 310);
DELETE FROM sales WHERE id % 3 = 0;
SELECT count(*), round(total(price), 3), group_concat(DISTINCT shop % 5) FROM sales;
`;
}
