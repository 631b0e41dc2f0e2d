# Documentation.
# sources EXTRA_DIST: *.md adr/*.md
EXTRA_DIST += \
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
	%D%/cplusplus.md \
	%D%/design.md \
	%D%/kernels.md \
	%D%/ops.md
# end (kept by build-aux/update-sources)
EXTRA_DIST += %D%/learning-curve.svg

# For authors of plugins, who may have nothing but what is installed.
doc_DATA = %D%/add-a-backend.md %D%/add-a-data-set.md %D%/add-a-format.md %D%/add-a-model.md

# The table of ops is generated, by hand's command: it takes the CPU backend, which a build may lack. A bar within a formula is escaped.
ops-table: all
	(sed '/^| op /,$$d' $(top_srcdir)/docs/ops.md; tests/telar-conformance --table reference cpu | \
	    $(PERL) -pe 's/(?<![ \n])\|(?=.)|(?<=.)\|(?![ \n])/\\|/g unless /^\|---/; s/^\\\|/|/') >docs-ops.tmp
	mv docs-ops.tmp $(top_srcdir)/docs/ops.md

.PHONY: ops-table
