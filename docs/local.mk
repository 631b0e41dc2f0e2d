# Documentation.
# sources EXTRA_DIST: *.md adr/*.md
EXTRA_DIST += \
	%D%/kernels.md
# end (kept by build-aux/update-sources)
EXTRA_DIST += %D%/learning-curve.svg
