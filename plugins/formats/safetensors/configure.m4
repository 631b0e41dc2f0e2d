# The header of a safetensors file is JSON.
PKG_CHECK_MODULES([JSON_C], [json-c], [telar_missing=], [telar_missing="json-c was not found (Debian: libjson-c-dev)"])
TELAR_PART([plugins/formats/safetensors], [FORMAT_SAFETENSORS], [$telar_missing])
