# Examples: each is built with the rest, so that it cannot rot.

# Templates for plugins that are written out of the tree, installed with the documentation. tests/templates.sh and
# tests/template_backend.sh build and use copies.
templatebackenddir = $(docdir)/templates/backend
templatemodeldir = $(docdir)/templates/model
templatedatasetdir = $(docdir)/templates/dataset
templateformatdir = $(docdir)/templates/format
dist_templatebackend_DATA = %D%/templates/backend/Makefile %D%/templates/backend/backend.c
dist_templatemodel_DATA = %D%/templates/model/Makefile %D%/templates/model/model.c
dist_templatedataset_DATA = %D%/templates/dataset/Makefile %D%/templates/dataset/dataset.c
dist_templateformat_DATA = %D%/templates/format/Makefile %D%/templates/format/format.c
