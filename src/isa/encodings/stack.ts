/** Stack instructions. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const STACK_ROWS = `
50+r                 | PUSH Zv                    | d64
58+r                 | POP Zv                     | d64
FF /6                | PUSH Ev                    | d64
8F /0                | POP Ev                     | d64
68                   | PUSH Iz                    | d64
6A                   | PUSH Ibs                   | d64
06                   | PUSH ES                    | i64 sem=pushsreg
07                   | POP ES                     | i64 sem=popsreg
0E                   | PUSH CS                    | i64 sem=pushsreg
16                   | PUSH SS                    | i64 sem=pushsreg
17                   | POP SS                     | i64 sem=popsreg
1E                   | PUSH DS                    | i64 sem=pushsreg
1F                   | POP DS                     | i64 sem=popsreg
0F A0                | PUSH FS                    | d64 sem=pushsreg
0F A1                | POP FS                     | d64 sem=popsreg
0F A8                | PUSH GS                    | d64 sem=pushsreg
0F A9                | POP GS                     | d64 sem=popsreg
60                   | PUSHA/PUSHAD               | i64
61                   | POPA/POPAD                 | i64
9C                   | PUSHF/PUSHFD/PUSHFQ        | d64
9D                   | POPF/POPFD/POPFQ           | d64
C8                   | ENTER Iw,Ib                | d64
C9                   | LEAVE                      | d64
`;
