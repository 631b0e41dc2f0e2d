# Tests: TAP programs in C (tests/tap.h) and in sh. A test in C is one line in C_TESTS: its name, and tests/NAME.c is its
# source; one of several files has a %canon_reldir%_NAME_SOURCES as well. Tests find the sources by the macro TEST_SRCDIR and the
# build by TEST_BUILDDIR. Those of TSAN_TESTS are run again by `make check-threads`.
C_TESTS = \
	%D%/parity \
	%D%/cuda_device \
	%D%/devices \
	%D%/meta \
	%D%/gpu_reduce \
	%D%/plans \
	%D%/layouts \
	%D%/gpu_layouts \
	%D%/flaws \
	%D%/late \
	%D%/reference \
	%D%/cpu_vector \
	%D%/tensor \
	%D%/unload \
	%D%/autograd \
	%D%/autograd_backward \
	%D%/autograd_devices \
	%D%/autograd_hooks \
	%D%/autograd_inplace \
	%D%/autograd_memory \
	%D%/autograd_threads \
	%D%/autograd_views \
	%D%/data_loader \
	%D%/data_pictures \
	%D%/data_tables \
	%D%/safetensors \
	%D%/formats \
	%D%/formats_damage \
	%D%/formats_fields \
	%D%/formats_load \
	%D%/formats_pickles \
	%D%/formats_versions \
	%D%/state \
	%D%/loader \
	%D%/misuse/misuse \
	%D%/train_backends \
	%D%/train_device \
	%D%/train_fit \
	%D%/train_model \
	%D%/train_plot \
	%D%/train_report \
	%D%/train_summary \
	%D%/train_task \
	%D%/models \
	%D%/generative \
	%D%/print \
	%D%/program \
	%D%/program_errors \
	%D%/program_nn \
	%D%/program_passes \
	%D%/program_runs \
	%D%/nn_function \
	%D%/nn_layers \
	%D%/nn_recurrent \
	%D%/language \
	%D%/nn_locale \
	%D%/nn_module \
	%D%/nn_transfer \
	%D%/predict_threads \
	%D%/ops_arguments \
	%D%/ops_golden \
	%D%/ops_special \
	%D%/optim_schedules \
	%D%/optim_steps \
	%D%/rng \
	%D%/version

SH_TESTS = \
	%D%/documents.sh \
	%D%/template_backend.sh \
	%D%/check_reference.sh \
	%D%/program_modes.sh \
	%D%/conformance/cpu.sh \
	%D%/conformance/cuda.sh \
	%D%/conformance/cuda_kernels.sh \
	%D%/conformance/opencl.sh \
	%D%/conformance/flaws.sh \
	%D%/conformance/cpu_levels.sh \
	%D%/conformance/gradients.sh \
	%D%/conformance/opaque.sh \
	%D%/conformance/reference.sh \
	%D%/conformance/registry.sh \
	%D%/build/cplusplus.sh \
	%D%/conformance/table.sh \
	%D%/build/headers.sh \
	%D%/build/layers.sh \
	%D%/build/manual.sh \
	%D%/build/sources.sh \
	%D%/build/symbols.sh \
	%D%/cli.sh \
	%D%/cuda_search.sh \
	%D%/weights_torch.sh \
	%D%/templates.sh \
	%D%/generate.sh \
	%D%/graph.sh \
	%D%/transfer.sh \
	%D%/predict.sh \
	%D%/fetch.sh \
	%D%/demo.sh \
	%D%/hostile.sh

TSAN_TESTS = \
	%D%/autograd \
	%D%/devices \
	%D%/plans \
	%D%/autograd_threads \
	%D%/nn_module \
	%D%/nn_transfer \
	%D%/predict_threads \
	%D%/program_runs \
	%D%/data_loader \
	%D%/formats_load \
	%D%/rng

# This one calls the plugin without the core.
%C%_reference_LDADD = $(LIBM)
# This one makes compressed data that are worse than any file's.
%C%_formats_damage_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CPPFLAGS)
%C%_formats_damage_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
%C%_formats_damage_LDADD = $(LDADD) $(ZLIB_LIBS)
# This one runs the conformance suite's cases without computing.
%C%_meta_SOURCES = %D%/meta.c %D%/conformance/cases.c %D%/conformance/run.c
# And this one loads the core by itself.
%C%_unload_LDADD = $(LIBM)

check_PROGRAMS += $(C_TESTS)
TESTS += $(C_TESTS) $(SH_TESTS)
EXTRA_DIST += $(SH_TESTS) %D%/tap.h %D%/files.h %D%/opaque/show.h
EXTRA_DIST += %D%/golden/make_pictures.py %D%/golden/pictures.txt \
	%D%/golden/pictures/birds/bits.png %D%/golden/pictures/birds/grey.png %D%/golden/pictures/birds/palette.png \
	%D%/golden/pictures/birds/rgb.png %D%/golden/pictures/birds/rgba.png %D%/golden/pictures/cats/grey.JPG \
	%D%/golden/pictures/cats/progressive.jpeg %D%/golden/pictures/cats/rgb.jpg %D%/golden/pictures/odd/cmyk.jpg

AM_CPPFLAGS += -DTEST_SRCDIR="\"$(abs_top_srcdir)\"" -DTEST_BUILDDIR="\"$(abs_top_builddir)\""

# What is cached while tests run, also by a compiler that they call.
CLEAN_FOLDERS += %D%/cache

TEST_EXTENSIONS = .sh
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' TAP_VERBOSE='$(V)' $(SHELL) $(top_srcdir)/build-aux/tap-driver-brief
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)

# The user's settings and caches stay out of the tests, and so does a GPU, which would else be the default device: conformance/cuda.sh shows it. Several tests run at a time, so threads that wait do not spin. PoCL
# compiles kernels in half the time if it does not optimise them.
AM_TESTS_ENVIRONMENT = \
	unset TELAR_BACKEND TELAR_PLUGIN_PATH TELAR_LOG TELAR_FALLBACK TELAR_CHECK TELAR_MATH TELAR_RNG TELAR_PASSES TELAR_PROFILE; \
	TEST_VISIBLE_DEVICES=$${CUDA_VISIBLE_DEVICES-all} CUDA_VISIBLE_DEVICES=; export TEST_VISIBLE_DEVICES CUDA_VISIBLE_DEVICES; \
	TEST_SRCDIR='$(abs_top_srcdir)'; export TEST_SRCDIR; \
	TEST_BUILDDIR='$(abs_top_builddir)'; export TEST_BUILDDIR; \
	XDG_CACHE_HOME='$(abs_top_builddir)/tests/cache'; export XDG_CACHE_HOME; \
	OMP_WAIT_POLICY=passive; export OMP_WAIT_POLICY; \
	POCL_EXTRA_BUILD_FLAGS=-cl-opt-disable; export POCL_EXTRA_BUILD_FLAGS; \
	NO_COLOR=1; export NO_COLOR;

# What takes minutes: every kernel in every type, compiled for every architecture that there is, or compared on an OpenCL device.
check-cuda-kernels: all $(check_LTLIBRARIES)
	TELAR_TEST_KERNELS=all $(MAKE) $(AM_MAKEFLAGS) check TESTS=%D%/conformance/cuda_kernels.sh
check-opencl: all
	TELAR_TEST_KERNELS=all $(MAKE) $(AM_MAKEFLAGS) check TESTS='%D%/conformance/opencl.sh %D%/gpu_reduce'
.PHONY: check-cuda-kernels check-opencl

# Models and data sets whose tables or code break their word, and good ones of every task.
check_LTLIBRARIES += %D%/crooked/models.la %D%/crooked/data.la
%C%_crooked_models_la_SOURCES = %D%/crooked/models.c
%C%_crooked_models_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_crooked_models_la_LIBADD = nn/libtelar-nn.la core/libtelar.la
%C%_crooked_data_la_SOURCES = %D%/crooked/data.c
%C%_crooked_data_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_crooked_data_la_LIBADD = nn/libtelar-nn.la core/libtelar.la

# Calls of every public function, made from the headers.
EXTRA_DIST += %D%/misuse/calls.awk
CLEANFILES += %D%/misuse/calls.h
MISUSED = nn model format op registry
%D%/misuse/calls.h: %D%/misuse/calls.awk $(telarinclude_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) %D%/misuse && for header in $(MISUSED); do echo "#include <telar/$$header.h>"; done | \
	    $(CC) -E -I$(top_srcdir)/include -x c - | $(AWK) -f $(srcdir)/%D%/misuse/calls.awk >$@.new && mv -f $@.new $@
%D%/misuse/misuse.$(OBJEXT): %D%/misuse/calls.h

# The gallery of broken plugins: one source, one object for each flaw.
BROKEN_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath /nowhere
check_LTLIBRARIES += %D%/broken/driver.la
%C%_broken_driver_la_SOURCES = %D%/broken/driver.c
%C%_broken_driver_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/magic.la
%C%_broken_magic_la_SOURCES = %D%/broken/broken.c
%C%_broken_magic_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_magic
%C%_broken_magic_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/abi.la
%C%_broken_abi_la_SOURCES = %D%/broken/broken.c
%C%_broken_abi_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_abi
%C%_broken_abi_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/size.la
%C%_broken_size_la_SOURCES = %D%/broken/broken.c
%C%_broken_size_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_size
%C%_broken_size_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/name.la
%C%_broken_name_la_SOURCES = %D%/broken/broken.c
%C%_broken_name_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_name
%C%_broken_name_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/kind.la
%C%_broken_kind_la_SOURCES = %D%/broken/broken.c
%C%_broken_kind_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_kind
%C%_broken_kind_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/open.la
%C%_broken_open_la_SOURCES = %D%/broken/broken.c
%C%_broken_open_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_open
%C%_broken_open_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/silent.la
%C%_broken_silent_la_SOURCES = %D%/broken/broken.c
%C%_broken_silent_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_silent
%C%_broken_silent_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/empty.la
%C%_broken_empty_la_SOURCES = %D%/broken/broken.c
%C%_broken_empty_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_empty
%C%_broken_empty_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/dependency.la
%C%_broken_dependency_la_SOURCES = %D%/broken/broken.c
%C%_broken_dependency_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_dependency
%C%_broken_dependency_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/nosymbol.la
%C%_broken_nosymbol_la_SOURCES = %D%/broken/broken.c
%C%_broken_nosymbol_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_nosymbol
%C%_broken_nosymbol_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/slot.la
%C%_broken_slot_la_SOURCES = %D%/broken/broken.c
%C%_broken_slot_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_slot
%C%_broken_slot_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/short.la
%C%_broken_short_la_SOURCES = %D%/broken/broken.c
%C%_broken_short_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_short
%C%_broken_short_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/broken/memory.la
%C%_broken_memory_la_SOURCES = %D%/broken/broken.c
%C%_broken_memory_la_CPPFLAGS = $(AM_CPPFLAGS) -DFLAW_memory
%C%_broken_memory_la_LDFLAGS = $(BROKEN_LDFLAGS)

# The opaque backend: the reference's kernels behind handles, a thread and late errors.
check_LTLIBRARIES += %D%/opaque/opaque.la
%C%_opaque_opaque_la_SOURCES = %D%/opaque/opaque.c $(backends_reference_reference_la_SOURCES)
%C%_opaque_opaque_la_CPPFLAGS = $(AM_CPPFLAGS) -Dtelar_plugin=reference_plugin
%C%_opaque_opaque_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_opaque_opaque_la_LIBADD = $(LIBM)

# A backend that computes wrongly.
check_LTLIBRARIES += %D%/wrong/wrong.la
%C%_wrong_wrong_la_SOURCES = %D%/wrong/wrong.c $(backends_reference_reference_la_SOURCES)
%C%_wrong_wrong_la_CPPFLAGS = $(AM_CPPFLAGS) -Dtelar_plugin=reference_plugin
%C%_wrong_wrong_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_wrong_wrong_la_LIBADD = $(LIBM)

# Backends that count their plans: one of the host, one with a queue.
# One that is as wrong as the environment tells it to be.
check_LTLIBRARIES += %D%/broken/flawed.la
%C%_broken_flawed_la_SOURCES = %D%/broken/flawed.c
%C%_broken_flawed_la_LDFLAGS = $(BROKEN_LDFLAGS)

# Two backends whose private layouts have one number.
check_LTLIBRARIES += %D%/private/alpha.la %D%/private/beta.la
%C%_private_alpha_la_SOURCES = %D%/private/private.c
%C%_private_alpha_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME=alpha -DKERNEL=cumsum -DKEY=0x5aa5c33cu
%C%_private_alpha_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_private_beta_la_SOURCES = %D%/private/private.c
%C%_private_beta_la_CPPFLAGS = $(AM_CPPFLAGS) -DNAME=beta -DKERNEL=flip -DKEY=0x3cc3a55au
%C%_private_beta_la_LDFLAGS = $(BROKEN_LDFLAGS)
check_LTLIBRARIES += %D%/counting/counting.la %D%/counting/lazy.la
%C%_counting_counting_la_SOURCES = %D%/counting/counting.c
%C%_counting_counting_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_counting_lazy_la_SOURCES = %D%/counting/counting.c
%C%_counting_lazy_la_CPPFLAGS = $(AM_CPPFLAGS) -DLAZY
%C%_counting_lazy_la_LDFLAGS = $(BROKEN_LDFLAGS)

# Models whose slots fail, each in its own way.
check_LTLIBRARIES += %D%/odd/odd.la
%C%_odd_odd_la_SOURCES = %D%/odd/odd.c
%C%_odd_odd_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_odd_odd_la_LIBADD = nn/libtelar-nn.la core/libtelar.la

# Libraries that stand in for NVIDIA's, for the CUDA backend's tests.
FAKE_CUDA_CPPFLAGS = $(AM_CPPFLAGS) $(CUDA_CPPFLAGS)
if BACKEND_CUDA
check_LTLIBRARIES += %D%/fake-cuda/libcuda.la %D%/fake-cuda/libcublasLt.la %D%/fake-cuda/libcudnn.la
endif
%C%_fake_cuda_libcuda_la_SOURCES = %D%/fake-cuda/fake.c %D%/fake-cuda/fake.h %D%/fake-cuda/defaults.c %D%/fake-cuda/driver.c \
	%D%/fake-cuda/driver.h %D%/fake-cuda/image.c %D%/fake-cuda/memory.c %D%/fake-cuda/queue.c
%C%_fake_cuda_libcuda_la_CPPFLAGS = $(FAKE_CUDA_CPPFLAGS) -DFAKE_TABLE=CUDA_DRIVER
%C%_fake_cuda_libcuda_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_fake_cuda_libcublasLt_la_SOURCES = %D%/fake-cuda/fake.c %D%/fake-cuda/fake.h %D%/fake-cuda/defaults.c %D%/fake-cuda/cublaslt.c
%C%_fake_cuda_libcublasLt_la_CPPFLAGS = $(FAKE_CUDA_CPPFLAGS) -DFAKE_TABLE=CUDA_CUBLASLT
%C%_fake_cuda_libcublasLt_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_fake_cuda_libcudnn_la_SOURCES = %D%/fake-cuda/fake.c %D%/fake-cuda/fake.h %D%/fake-cuda/defaults.c %D%/fake-cuda/cudnn.c
%C%_fake_cuda_libcudnn_la_CPPFLAGS = $(FAKE_CUDA_CPPFLAGS) -DFAKE_TABLE=CUDA_CUDNN
%C%_fake_cuda_libcudnn_la_LDFLAGS = $(BROKEN_LDFLAGS)

# A second weight format that can be written.
check_LTLIBRARIES += %D%/odd/records.la
%C%_odd_records_la_SOURCES = %D%/odd/records.c
%C%_odd_records_la_LDFLAGS = $(BROKEN_LDFLAGS)
%C%_odd_records_la_LIBADD = core/libtelar.la

# What the tests read and include.
# sources EXTRA_DIST: *.h *.sh *.py build/*.sh fake-cuda/*.sh golden/* golden/*/* fuzz/*.c fuzz/*/*.dict conformance/*.h
EXTRA_DIST += \
	%D%/archive.h \
	%D%/build/cplusplus.sh \
	%D%/build/headers.sh \
	%D%/build/layers.sh \
	%D%/build/manual.sh \
	%D%/build/sources.sh \
	%D%/build/symbols.sh \
	%D%/check_reference.sh \
	%D%/cli.sh \
	%D%/conformance/conformance.h \
	%D%/cuda_search.sh \
	%D%/damage.h \
	%D%/demo.sh \
	%D%/documents.sh \
	%D%/fake-cuda/environment.sh \
	%D%/fetch.sh \
	%D%/fetch_server.py \
	%D%/files.h \
	%D%/fuzz/dictionaries/csv.dict \
	%D%/fuzz/dictionaries/idx.dict \
	%D%/fuzz/dictionaries/jpeg.dict \
	%D%/fuzz/dictionaries/npy.dict \
	%D%/fuzz/dictionaries/npz.dict \
	%D%/fuzz/dictionaries/png.dict \
	%D%/fuzz/dictionaries/pth.dict \
	%D%/fuzz/dictionaries/safetensors.dict \
	%D%/fuzz/fuzz.c \
	%D%/generate.sh \
	%D%/golden.h \
	%D%/golden/autograd.txt \
	%D%/golden/generative.txt \
	%D%/golden/language.txt \
	%D%/golden/language_text.txt \
	%D%/golden/loader.txt \
	%D%/golden/make_autograd.py \
	%D%/golden/make_generative.py \
	%D%/golden/make_language.py \
	%D%/golden/make_loader.py \
	%D%/golden/make_models.py \
	%D%/golden/make_nn.py \
	%D%/golden/make_ops.py \
	%D%/golden/make_optim.py \
	%D%/golden/make_parity.py \
	%D%/golden/make_pictures.py \
	%D%/golden/make_predict.py \
	%D%/golden/make_print.py \
	%D%/golden/make_recurrent.py \
	%D%/golden/make_reference.py \
	%D%/golden/make_report.py \
	%D%/golden/make_rng.py \
	%D%/golden/make_safetensors.py \
	%D%/golden/make_special.py \
	%D%/golden/make_torch_versions.py \
	%D%/golden/make_weights.py \
	%D%/golden/models_losses.txt \
	%D%/golden/models_names.txt \
	%D%/golden/models_numbers.txt \
	%D%/golden/nn_forward.txt \
	%D%/golden/nn_init.txt \
	%D%/golden/nn_print.txt \
	%D%/golden/nn_truncated.txt \
	%D%/golden/ops.txt \
	%D%/golden/optim_clip.txt \
	%D%/golden/optim_schedules.txt \
	%D%/golden/optim_steps.txt \
	%D%/golden/parity_apples.safetensors \
	%D%/golden/parity_apples.txt \
	%D%/golden/parity_apples64.safetensors \
	%D%/golden/parity_apples64.txt \
	%D%/golden/parity_linear.safetensors \
	%D%/golden/parity_linear.txt \
	%D%/golden/parity_mnist.safetensors \
	%D%/golden/parity_mnist.txt \
	%D%/golden/parity_mnist64.safetensors \
	%D%/golden/parity_mnist64.txt \
	%D%/golden/parity_wine.safetensors \
	%D%/golden/parity_wine.txt \
	%D%/golden/parity_wine64.safetensors \
	%D%/golden/parity_wine64.txt \
	%D%/golden/pictures.txt \
	%D%/golden/pictures_cropped.txt \
	%D%/golden/pictures_kinds.txt \
	%D%/golden/pictures_kinds/deep.png \
	%D%/golden/pictures_kinds/deep_alpha.png \
	%D%/golden/pictures_kinds/deep_grey.png \
	%D%/golden/pictures_kinds/deep_grey_alpha.png \
	%D%/golden/pictures_kinds/deep_key.png \
	%D%/golden/pictures_kinds/grey_2_bits.png \
	%D%/golden/pictures_kinds/grey_alpha.png \
	%D%/golden/pictures_kinds/grey_progressive.jpg \
	%D%/golden/pictures_kinds/inks.jpg \
	%D%/golden/pictures_kinds/inks_plain.jpg \
	%D%/golden/pictures_kinds/inks_turned.jpg \
	%D%/golden/pictures_kinds/inks_ycck.jpg \
	%D%/golden/pictures_kinds/key.png \
	%D%/golden/pictures_kinds/palette_alpha.png \
	%D%/golden/pictures_kinds/palette_one_clear.png \
	%D%/golden/pictures_kinds/turned_1.jpg \
	%D%/golden/pictures_kinds/turned_2.jpg \
	%D%/golden/pictures_kinds/turned_3.jpg \
	%D%/golden/pictures_kinds/turned_4.jpg \
	%D%/golden/pictures_kinds/turned_5.jpg \
	%D%/golden/pictures_kinds/turned_6.jpg \
	%D%/golden/pictures_kinds/turned_6.png \
	%D%/golden/pictures_kinds/turned_7.jpg \
	%D%/golden/pictures_kinds/turned_8.jpg \
	%D%/golden/pictures_kinds/turned_8_late.png \
	%D%/golden/pictures_kinds/turned_9.jpg \
	%D%/golden/pictures_kinds/turned_after_another.jpg \
	%D%/golden/pictures_tall.png \
	%D%/golden/pictures_two.jpg \
	%D%/golden/predict.txt \
	%D%/golden/print.txt \
	%D%/golden/recurrent.txt \
	%D%/golden/reference.txt \
	%D%/golden/report.txt \
	%D%/golden/rng.txt \
	%D%/golden/special.txt \
	%D%/golden/tensors.safetensors \
	%D%/golden/torch/1.0.0-python2.7-adam.pth \
	%D%/golden/torch/1.0.0-python2.7-list.pth \
	%D%/golden/torch/1.0.0-python2.7-module.pth \
	%D%/golden/torch/1.0.0-python2.7-sgd.pth \
	%D%/golden/torch/1.0.0-python2.7-tensor.pth \
	%D%/golden/torch/1.0.0-python2.7-weights.pth \
	%D%/golden/torch/1.0.1-python3.6-adam.pth \
	%D%/golden/torch/1.0.1-python3.6-list.pth \
	%D%/golden/torch/1.0.1-python3.6-module.pth \
	%D%/golden/torch/1.0.1-python3.6-sgd.pth \
	%D%/golden/torch/1.0.1-python3.6-tensor.pth \
	%D%/golden/torch/1.0.1-python3.6-weights.pth \
	%D%/golden/torch/1.1.0-python3.7-adam.pth \
	%D%/golden/torch/1.1.0-python3.7-list.pth \
	%D%/golden/torch/1.1.0-python3.7-module.pth \
	%D%/golden/torch/1.1.0-python3.7-sgd.pth \
	%D%/golden/torch/1.1.0-python3.7-tensor.pth \
	%D%/golden/torch/1.1.0-python3.7-weights.pth \
	%D%/golden/torch/1.12.1-python3.10-adam.pth \
	%D%/golden/torch/1.12.1-python3.10-list.pth \
	%D%/golden/torch/1.12.1-python3.10-module.pth \
	%D%/golden/torch/1.12.1-python3.10-sgd.pth \
	%D%/golden/torch/1.12.1-python3.10-tensor.pth \
	%D%/golden/torch/1.12.1-python3.10-unzip.pth \
	%D%/golden/torch/1.12.1-python3.10-weights.pth \
	%D%/golden/torch/1.4.0-python2.7-adam.pth \
	%D%/golden/torch/1.4.0-python2.7-list.pth \
	%D%/golden/torch/1.4.0-python2.7-module.pth \
	%D%/golden/torch/1.4.0-python2.7-sgd.pth \
	%D%/golden/torch/1.4.0-python2.7-tensor.pth \
	%D%/golden/torch/1.4.0-python2.7-weights.pth \
	%D%/golden/torch/1.4.0-python2.7-zip.pth \
	%D%/golden/torch/1.4.0-python3.7-adam.pth \
	%D%/golden/torch/1.4.0-python3.7-list.pth \
	%D%/golden/torch/1.4.0-python3.7-module.pth \
	%D%/golden/torch/1.4.0-python3.7-sgd.pth \
	%D%/golden/torch/1.4.0-python3.7-tensor.pth \
	%D%/golden/torch/1.4.0-python3.7-weights.pth \
	%D%/golden/torch/1.4.0-python3.7-zip.pth \
	%D%/golden/torch/1.5.1-python3.8-adam.pth \
	%D%/golden/torch/1.5.1-python3.8-list.pth \
	%D%/golden/torch/1.5.1-python3.8-module.pth \
	%D%/golden/torch/1.5.1-python3.8-sgd.pth \
	%D%/golden/torch/1.5.1-python3.8-tensor.pth \
	%D%/golden/torch/1.5.1-python3.8-weights.pth \
	%D%/golden/torch/1.5.1-python3.8-zip.pth \
	%D%/golden/torch/1.6.0-python3.8-adam.pth \
	%D%/golden/torch/1.6.0-python3.8-list.pth \
	%D%/golden/torch/1.6.0-python3.8-module.pth \
	%D%/golden/torch/1.6.0-python3.8-sgd.pth \
	%D%/golden/torch/1.6.0-python3.8-tensor.pth \
	%D%/golden/torch/1.6.0-python3.8-unzip.pth \
	%D%/golden/torch/1.6.0-python3.8-weights.pth \
	%D%/golden/torch/1.9.1-python3.9-adam.pth \
	%D%/golden/torch/1.9.1-python3.9-list.pth \
	%D%/golden/torch/1.9.1-python3.9-module.pth \
	%D%/golden/torch/1.9.1-python3.9-sgd.pth \
	%D%/golden/torch/1.9.1-python3.9-tensor.pth \
	%D%/golden/torch/1.9.1-python3.9-unzip.pth \
	%D%/golden/torch/1.9.1-python3.9-weights.pth \
	%D%/golden/torch/2.0.1-python3.11-adam.pth \
	%D%/golden/torch/2.0.1-python3.11-list.pth \
	%D%/golden/torch/2.0.1-python3.11-module.pth \
	%D%/golden/torch/2.0.1-python3.11-sgd.pth \
	%D%/golden/torch/2.0.1-python3.11-tensor.pth \
	%D%/golden/torch/2.0.1-python3.11-unzip.pth \
	%D%/golden/torch/2.0.1-python3.11-weights.pth \
	%D%/golden/torch/2.15.0-python3.11-adam.pth \
	%D%/golden/torch/2.15.0-python3.11-list.pth \
	%D%/golden/torch/2.15.0-python3.11-module.pth \
	%D%/golden/torch/2.15.0-python3.11-sgd.pth \
	%D%/golden/torch/2.15.0-python3.11-tensor.pth \
	%D%/golden/torch/2.15.0-python3.11-unzip.pth \
	%D%/golden/torch/2.15.0-python3.11-weights.pth \
	%D%/golden/torch/2.4.1-python3.12-adam.pth \
	%D%/golden/torch/2.4.1-python3.12-list.pth \
	%D%/golden/torch/2.4.1-python3.12-module.pth \
	%D%/golden/torch/2.4.1-python3.12-sgd.pth \
	%D%/golden/torch/2.4.1-python3.12-tensor.pth \
	%D%/golden/torch/2.4.1-python3.12-unzip.pth \
	%D%/golden/torch/2.4.1-python3.12-weights.pth \
	%D%/golden/weights/bad_call.pth \
	%D%/golden/weights/bad_call_legacy.pth \
	%D%/golden/weights/bad_complex.npy \
	%D%/golden/weights/bad_module.pth \
	%D%/golden/weights/bad_object.npy \
	%D%/golden/weights/bad_pickle0.pth \
	%D%/golden/weights/bad_pickle2.pth \
	%D%/golden/weights/bad_pickle4.pth \
	%D%/golden/weights/bad_sparse.pth \
	%D%/golden/weights/bad_type.pth \
	%D%/golden/weights/checkpoint.pth \
	%D%/golden/weights/checkpoint_legacy.pth \
	%D%/golden/weights/fortran.npy \
	%D%/golden/weights/list.pth \
	%D%/golden/weights/swapped.npy \
	%D%/golden/weights/tensor.pth \
	%D%/golden/weights/version2.npy \
	%D%/golden/weights/weights.npz \
	%D%/golden/weights/weights.pth \
	%D%/golden/weights/weights.safetensors \
	%D%/golden/weights/weights_deflated.npz \
	%D%/golden/weights/weights_deflated.pth \
	%D%/golden/weights/weights_legacy.pth \
	%D%/golden/weights/weights_protocol4.pth \
	%D%/golden/weights/weights_protocol5.pth \
	%D%/golden/weights/weights_zip64.pth \
	%D%/graph.sh \
	%D%/hostile.sh \
	%D%/kernel_call.h \
	%D%/nn_cases.h \
	%D%/pickles.h \
	%D%/predict.sh \
	%D%/program.h \
	%D%/program_modes.sh \
	%D%/tap.h \
	%D%/tap.sh \
	%D%/template_backend.sh \
	%D%/templates.sh \
	%D%/transfer.sh \
	%D%/weights_torch.sh
# end

# The conformance suite: installed, so that anybody's backend can be judged.
bin_PROGRAMS += %D%/telar-conformance
%C%_telar_conformance_SOURCES = %D%/conformance/cases.c %D%/conformance/conformance.h %D%/conformance/help.c \
	%D%/conformance/judge.c %D%/conformance/main.c %D%/conformance/network.c %D%/conformance/options.c \
	%D%/conformance/replay.c %D%/conformance/run.c %D%/conformance/run_only.c %D%/conformance/tally.c
man_MANS += %D%/telar-conformance.1
CLEANFILES += %D%/telar-conformance.1
%D%/telar-conformance.1: %D%/telar-conformance$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) %D% && ./%D%/telar-conformance --man >$@.new && mv -f $@.new $@
