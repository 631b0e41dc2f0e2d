# Benchmarks: `make bench` times Telar and, if BENCH_PYTHON can import torch or onnxruntime, the same work there, in turns.
# BENCH_FLAGS goes to the program: make bench BENCH_FLAGS='--json matmul'. `make bench-load` is about weight files.
EXTRA_PROGRAMS += %D%/telar-bench
CLEANFILES += %D%/telar-bench$(EXEEXT)
%C%_telar_bench_SOURCES =
%C%_telar_bench_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)

# sources bench_telar_bench_SOURCES: *.c *.h
bench_telar_bench_SOURCES += \
	%D%/bench.h \
	%D%/machine.c \
	%D%/main.c \
	%D%/ops.c \
	%D%/work.c
# end (kept by build-aux/update-sources)

EXTRA_PROGRAMS += %D%/telar-bench-load
CLEANFILES += %D%/telar-bench-load$(EXEEXT)
%C%_telar_bench_load_SOURCES = %D%/load/load.c

# sources EXTRA_DIST: *.md peers/*.py
EXTRA_DIST += \
	%D%/README.md \
	%D%/peers/compare.py \
	%D%/peers/onnx_peer.py \
	%D%/peers/peer.py \
	%D%/peers/torch_peer.py
# end

BENCH_FLAGS =

bench: all %D%/telar-bench$(EXEEXT)
	@$(abs_top_builddir)/%D%/telar-bench $(BENCH_FLAGS)
	@if $${BENCH_PYTHON:-python3} -B $(top_srcdir)/%D%/peers/compare.py --probe 2>/dev/null; then \
	    $${BENCH_PYTHON:-python3} -B $(top_srcdir)/%D%/peers/compare.py --telar $(abs_top_builddir)/%D%/telar-bench $(BENCH_FLAGS); \
	else \
	    echo "bench: no peers: $${BENCH_PYTHON:-python3} has neither torch nor onnxruntime (BENCH_PYTHON=... names another)" >&2; \
	fi

bench-load: all %D%/telar-bench-load$(EXEEXT)
	@$(abs_top_builddir)/%D%/telar-bench-load $(BENCH_FLAGS)

.PHONY: bench bench-load
