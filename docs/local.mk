# Documentation. It is installed as it lies here, below the README, so that links between the pages hold in both places.
# sources nobase_dist_doc_DATA: *.md adr/*.md backends/*.md models/*.md
nobase_dist_doc_DATA += \
	%D%/add-a-backend.md \
	%D%/add-a-data-set.md \
	%D%/add-a-format.md \
	%D%/add-a-model.md \
	%D%/adr/001-plugins-export-data.md \
	%D%/adr/002-scopes-own-tensors.md \
	%D%/adr/003-logical-strides-native-layouts.md \
	%D%/adr/004-one-text-per-pointwise-op.md \
	%D%/adr/005-pytorch-random-streams.md \
	%D%/adr/006-names-not-numbers.md \
	%D%/adr/007-host-backends-merge.md \
	%D%/adr/008-writes-through-views.md \
	%D%/adr/009-onednn-two-majors.md \
	%D%/adr/010-own-direct-convolution.md \
	%D%/adr/011-no-static-library.md \
	%D%/adr/012-strict-mode.md \
	%D%/adr/013-printing-as-pytorch.md \
	%D%/adr/014-memory-comes-from-pools.md \
	%D%/adr/015-zero-means-default.md \
	%D%/adr/016-automake-and-tap.md \
	%D%/adr/017-own-zip-reader.md \
	%D%/adr/018-updates-descend-by-themselves.md \
	%D%/adr/019-storages-without-values.md \
	%D%/adr/020-loading-copies-or-assigns.md \
	%D%/adr/021-programs-record-calls.md \
	%D%/backends/cuda.md \
	%D%/backends/opencl.md \
	%D%/cplusplus.md \
	%D%/design.md \
	%D%/from-pytorch.md \
	%D%/kernels.md \
	%D%/models/alexnet.md \
	%D%/models/autoencoder.md \
	%D%/models/gan.md \
	%D%/models/inception.md \
	%D%/models/lstm.md \
	%D%/models/mlp.md \
	%D%/models/mnist.md \
	%D%/models/mobilenet.md \
	%D%/models/resnet-cifar.md \
	%D%/models/resnet.md \
	%D%/models/squeezenet.md \
	%D%/models/vgg.md \
	%D%/models/xception.md \
	%D%/ops.md \
	%D%/programs.md \
	%D%/weights.md
# end (kept by build-aux/update-sources)
nobase_dist_doc_DATA += README.md NEWS.md CONTRIBUTING.md LICENSE %D%/learning-curve.svg plugins/data/tables/tables.md

# Manual pages of section 3: one for each section of a public header, and a link for every name that it declares. The program
# that writes them decides which there are, so they are installed as a folder, not by a list.
noinst_DATA += %D%/man3.stamp
CLEANFILES += %D%/man3.stamp
CLEAN_FOLDERS += %D%/man3
EXTRA_DIST += build-aux/manual build-aux/check-links

%D%/man3.stamp: $(top_srcdir)/build-aux/manual $(telarinclude_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) %D%/man3 && cd $(srcdir) && \
	    $(PERL) build-aux/manual '$(PACKAGE_VERSION)' '$(abs_builddir)/%D%/man3' $(telarinclude_HEADERS) && touch '$(abs_builddir)/$@'

install-data-local: %D%/man3.stamp
	$(MKDIR_P) '$(DESTDIR)$(mandir)/man3'
	$(INSTALL_DATA) %D%/man3/*.3 '$(DESTDIR)$(mandir)/man3'

uninstall-local: %D%/man3.stamp
	cd %D%/man3 && for page in *.3; do rm -f '$(DESTDIR)$(mandir)/man3'/$$page; done

# The table of ops is generated, by hand's command: it takes the CPU backend, which a build may lack. tests/conformance/table.sh
# notices when it is out of date.
ops-table: all
	sed '/^| op /,$$d' $(top_srcdir)/docs/ops.md >docs-ops.tmp
	tests/telar-conformance --table reference cpu >>docs-ops.tmp
	mv docs-ops.tmp $(top_srcdir)/docs/ops.md

.PHONY: ops-table
