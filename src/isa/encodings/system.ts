/** System instructions: descriptor tables, control and debug registers, MSRs, system calls, state saving. Source: Intel SDM 2; the columns are described in ../rows.ts. */
export const SYSTEM_ROWS = `
F4                   | HLT
FA                   | CLI
FB                   | STI
63 /r                | ARPL Ew,Gw                 | i64
0F 00 /0             | SLDT Rv/Mw
0F 00 /1             | STR Rv/Mw
0F 00 /2             | LLDT Ew
0F 00 /3             | LTR Ew
0F 00 /4             | VERR Ew
0F 00 /5             | VERW Ew
0F 01 /0 mem         | SGDT Ms                    | f64
0F 01 /1 mem         | SIDT Ms                    | f64
0F 01 /2 mem         | LGDT Ms                    | f64
0F 01 /3 mem         | LIDT Ms                    | f64
0F 01 /4             | SMSW Rv/Mw
0F 01 /6             | LMSW Ew
0F 01 /7 mem         | INVLPG Mb
0F 01 C8             | MONITOR                    | feat=monitor
0F 01 C9             | MWAIT                      | feat=monitor
NP 0F 01 CA          | CLAC                       | feat=smap
NP 0F 01 CB          | STAC                       | feat=smap
NP 0F 01 D0          | XGETBV                     | feat=xsave
NP 0F 01 D1          | XSETBV                     | feat=xsave
0F 01 F8             | SWAPGS                     | o64
0F 01 F9             | RDTSCP                     | feat=rdtscp
0F 02 /r             | LAR Gv,Rv/Mw
0F 03 /r             | LSL Gv,Rv/Mw
0F 05                | SYSCALL                    | o64 feat=syscall
0F 06                | CLTS
0F 07                | SYSRET                     | o64 feat=syscall
0F 08                | INVD
0F 09                | WBINVD
0F 20 /r             | MOV Ry,Cy                  | f64 modany sem=movcr
0F 21 /r             | MOV Ry,Dy                  | f64 modany sem=movdr
0F 22 /r             | MOV Cy,Ry                  | f64 modany sem=movcr
0F 23 /r             | MOV Dy,Ry                  | f64 modany sem=movdr
0F 30                | WRMSR                      | feat=msr
0F 31                | RDTSC                      | feat=tsc
0F 32                | RDMSR                      | feat=msr
0F 33                | RDPMC
0F 34                | SYSENTER                   | feat=sep
0F 35                | SYSEXIT                    | feat=sep
0F A2                | CPUID
0F AA                | RSM
NP 0F AE /0 mem      | FXSAVE M512                | feat=fxsr
NP REX.W 0F AE /0 mem| FXSAVE64 M512              | sem=fxsave feat=fxsr
NP 0F AE /1 mem      | FXRSTOR M512               | feat=fxsr
NP REX.W 0F AE /1 mem| FXRSTOR64 M512             | sem=fxrstor feat=fxsr
NP 0F AE /4 mem      | XSAVE M                    | feat=xsave
NP REX.W 0F AE /4 mem| XSAVE64 M                  | sem=xsave feat=xsave
NP 0F AE /5 mem      | XRSTOR M                   | feat=xsave
NP REX.W 0F AE /5 mem| XRSTOR64 M                 | sem=xrstor feat=xsave
NP 0F AE /6 mem      | XSAVEOPT M                 | feat=xsaveopt
NP REX.W 0F AE /6 mem| XSAVEOPT64 M               | sem=xsaveopt feat=xsaveopt
NP 0F AE /7 mem      | CLFLUSH Mb                 | feat=clfsh
NP 0F AE /5 reg      | LFENCE                     | feat=sse2
NP 0F AE /6 reg      | MFENCE                     | feat=sse2
NP 0F AE /7 reg      | SFENCE                     | feat=sse
F3 0F AE /0 reg      | RDFSBASE Ry                | o64 feat=fsgsbase
F3 0F AE /1 reg      | RDGSBASE Ry                | o64 feat=fsgsbase
F3 0F AE /2 reg      | WRFSBASE Ry                | o64 feat=fsgsbase
F3 0F AE /3 reg      | WRGSBASE Ry                | o64 feat=fsgsbase
NFx 0F C7 /6 reg     | RDRAND Rv                  | feat=rdrand
NFx 0F C7 /7 reg     | RDSEED Rv                  | feat=rdseed
66 0F 38 82 /r       | INVPCID Gy,Mdq             | f64 feat=invpcid
`;
