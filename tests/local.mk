# Tests: TAP programs in C (tests/tap.h) and in sh. A test in C is one line in C_TESTS: its name, and tests/NAME.c is its
# source; one of several files has a %canon_reldir%_NAME_SOURCES as well. Tests find the sources by the macro TEST_SRCDIR and the
# build by TEST_BUILDDIR. Those of TSAN_TESTS are run again by `make check-threads`.
C_TESTS = \
	%D%/version

SH_TESTS = \
	%D%/build/headers.sh \
	%D%/build/layers.sh \
	%D%/build/sources.sh \
	%D%/build/symbols.sh

TSAN_TESTS =

check_PROGRAMS += $(C_TESTS)
TESTS += $(C_TESTS) $(SH_TESTS)
EXTRA_DIST += $(SH_TESTS) %D%/tap.h

AM_CPPFLAGS += -DTEST_SRCDIR="\"$(abs_top_srcdir)\"" -DTEST_BUILDDIR="\"$(abs_top_builddir)\""

TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' TAP_VERBOSE='$(V)' $(SHELL) $(top_srcdir)/build-aux/tap-driver-brief
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)

# The user's settings and caches stay out of the tests.
AM_TESTS_ENVIRONMENT = \
	unset TELAR_BACKEND TELAR_PLUGIN_PATH TELAR_LOG TELAR_FALLBACK TELAR_CHECK TELAR_MATH TELAR_RNG TELAR_PASSES TELAR_PROFILE; \
	TEST_SRCDIR='$(abs_top_srcdir)'; export TEST_SRCDIR; \
	TEST_BUILDDIR='$(abs_top_builddir)'; export TEST_BUILDDIR; \
	XDG_CACHE_HOME='$(abs_top_builddir)/tests/cache'; export XDG_CACHE_HOME; \
	NO_COLOR=1; export NO_COLOR;
