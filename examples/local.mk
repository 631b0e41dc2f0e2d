# Examples: each is built with the rest, so that it cannot rot.

# Templates for plugins that are written out of the tree, installed with the documentation. tests/template_backend.sh builds and uses a copy.
templatebackenddir = $(docdir)/templates/backend
dist_templatebackend_DATA = %D%/templates/backend/Makefile %D%/templates/backend/backend.c
