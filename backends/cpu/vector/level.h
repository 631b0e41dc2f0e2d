/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything under vector/ is compiled several times from one source, for several instruction sets; the build
 * defines CPU_LEVEL as base, avx2 or avx512. LEVEL(name) makes the names differ. cpu.c chooses once, at run
 * time, which of the resulting tables is used. The loops are plain C that the compiler vectorises: the sources are built
 * with -O3 -fno-math-errno -fno-trapping-math (never -ffast-math: NaN and infinities must come out right).
 */
#ifndef CPU_VECTOR_LEVEL_H
#define CPU_VECTOR_LEVEL_H

#ifndef CPU_LEVEL
#define CPU_LEVEL base
#endif

#define LEVEL_PASTE(name, level) name##_##level
#define LEVEL_EXPAND(name, level) LEVEL_PASTE(name, level)
#define LEVEL(name) LEVEL_EXPAND(name, CPU_LEVEL)

/* No iteration of the loop that follows depends on another, even where an output is an input's own memory. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

#endif
