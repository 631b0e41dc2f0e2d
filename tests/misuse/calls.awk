# SPDX-License-Identifier: Apache-2.0
#
# From the preprocessed public headers to C: one case for each public function, which calls it with values that misuse.c draws
# for the types of its parameters. A parameter whose type is unknown here stops the build: a new function is attacked, too.

# Left alone: functions that end something which the caller owns, that take printf's arguments, or that are only for use inside a
# gradient function, which always has a context.
BEGIN {
    split("tl_shutdown tl_error_clear tl_scope_begin tl_scope_end tl_release " \
          "tl_scope_adopt tl_map_close tl_atomic_abort tl_atomic_commit tl_grad_mode_restore_ tl_module_observe tl_progress_end " \
          "tl_from_memory tl_op_register tl_set_print_options tl_dataset_new_with tl_module_new tl_grad_input tl_grad_output " \
          "tl_grad_arriving tl_grad_attrs tl_function_saved tl_grad_call tl_grad_input_meta tl_grad_n_inputs tl_grad_set " \
          "tl_grad_wants", list, " ")
    for (i in list)
        skipped[list[i]] = 1
    # NULL is an answer of theirs, or what is handed to them: no error comes with it.
    split("tl_scope_return tl_keep tl_dataset_private tl_dataset_info tl_dataset_keep tl_state_get tl_state_name tl_state_at " \
          "tl_state_note tl_state_note_key tl_loader_dataset tl_scaler_mean tl_scaler_deviation tl_op_find tl_op_at tl_grad_fn " \
          "tl_node_next tl_plugin_path tl_history_at tl_progress_new tl_summary_at tl_summary_untrained tl_module_fields tl_module_class_of " \
          "tl_module_child_at tl_nearest_name tl_dataset_name tl_data_split tl_plugin_remark " \
          "tl_data_folder", list, " ")
    for (i in list)
        may_be_null[list[i]] = 1
}

function trim(s) {
    gsub(/^ +| +$/, "", s)
    return s
}

# The expression that draws a value for one parameter; "n" counts a list that has as many entries, "size" of a shape do not.
function value(parameter, fn, counted,    type, name) {
    if (parameter ~ /\(\*/)
        return "NULL"
    type = parameter
    name = ""
    if (match(type, /[a-z_0-9]+(\[[^]]*\])?$/)) {
        name = substr(type, RSTART)
        if (name ~ /^(int|double|size_t|int64_t|tl_dtype)$/)
            name = ""
        else
            type = substr(type, 1, RSTART - 1)
    }
    if (name ~ /\[/)
        type = type "*"
    sub(/\[.*/, "", name)
    constant = type ~ /const/
    gsub(/const/, "", type)
    gsub(/ +/, "", type)
    if (type == "int64_t" || type == "uint64_t")
        return (type == "uint64_t" ? "(uint64_t)" : "") (counted && name ~ /^(n|columns|classes)$/ ? "few()" : "big()")
    if (type == "int")
        return counted && name ~ /^(n|n_in|n_outputs|n_inputs)$/ ? "(int)few()" : name ~ /^(ndim|n|capacity)$/ ? "rank()" : "integer()"
    if (type == "size_t")
        return counted || name ~ /^(n|capacity|n_parameters)$/ ? "count()" : name ~ /^(bytes|size)$/ ? "bytes()" : "(size_t)big()"
    if (type == "char*")
        return name == "path" ? "path()" : "text()"
    if (type == "tl_tensor**")
        return constant ? "tensors()" : "places()"
    if (type == "char**")
        return "(const char **)names()"
    if (type in plain)
        return plain[type]
    if (type ~ /^tl_[a-z_]+\*$/) {
        sub(/^tl_/, "a_", type)
        sub(/\*$/, "()", type)
        return type
    }
    if (type ~ /^structtl_[a-z0-9_]+_attrs\*$/) {
        gsub(/^structtl_|_attrs\*$/, "", type)
        if (!(type in drawn)) {
            drawn[type] = 1
            attributes = attributes "ATTRS(" type ")\n"
        }
        return "attrs_" type "()"
    }
    if (type ~ /^struct.*\*\*?$/)
        return "NULL"
    if (type ~ /^enum/) {
        sub(/^enum/, "enum ", type)
        return "(" type ")code()"
    }
    if (type ~ /^structtl_/) {
        sub(/^struct/, "struct ", type)
        return "(" type "){0}"
    }
    if (type ~ /^(tl_batch_function|tl_program_fn|tl_program_call|tl_global_visit|tl_module_visit|tl_grad_hook|tl_fit_callback)$/)
        return "NULL"
    print "tests/misuse/calls.awk: " fn ": no values for \"" parameter "\"" >"/dev/stderr"
    failed = 1
    return "0"
}

function add(declaration,    open, head, fn, arguments, n, i, c, depth, part, call, counted) {
    open = index(declaration, "(")
    head = trim(substr(declaration, 1, open - 1))
    match(head, /tl_[a-z0-9_]+$/)
    fn = substr(head, RSTART)
    head = trim(substr(head, 1, RSTART - 1))
    arguments = substr(declaration, open + 1)
    if (fn in skipped || fn ~ /_free$/ || arguments ~ /\.\.\./)
        return
    sub(/\)[^)]*$/, "", arguments)
    # A count beside a list of that many entries must be true: the list has eight. A shape's rank may lie.
    counted = arguments ~ /(tl_tensor \*const \*|tl_module \*const \*|char \*const \*|int64_t \*(index|sizes|milestones|labels|dims|amounts)|double \*mean|(float|int64_t) \*data)/
    call = ""
    depth = 0
    part = ""
    n = length(arguments)
    for (i = 1; i <= n + 1; i++) {
        c = i > n ? "," : substr(arguments, i, 1)
        depth += c == "(" ? 1 : c == ")" ? -1 : 0
        if (c == "," && depth == 0) {
            part = trim(part)
            if (part != "void")
                call = call (call == "" ? "" : ", ") value(part, fn, counted)
            part = ""
        } else
            part = part c
    }
    call = fn "(" call ")"
    if (head ~ /^char \*$/)
        call = (fn in may_be_null ? "free" : "give_back") "(" call ")"
    else if (head ~ /\*$/)
        call = (fn in may_be_null ? "" : "pointer") "((const void *)" call ")"
    else if (head == "tl_status")
        call = "status(" call ")"
    names = names "    \"" fn "\",\n"
    cases = cases "    case " count++ ": (void)" call "; break;\n"
}

BEGIN {
    plain["tl_tensor*"] = "tensor()"
    plain["tl_update*"] = "NULL"
    plain["double"] = "number()"
    plain["float"] = "(float)number()"
    plain["_Bool"] = "draw() % 2 == 0"
    plain["tl_dtype"] = "(tl_dtype)code()"
    plain["tl_status"] = "(tl_status)code()"
    plain["tl_math"] = "(tl_math)(draw() % 2)"
    plain["tl_log_level"] = "(tl_log_level)code()"
    plain["unsigned"] = "(unsigned)draw() % 128"
    plain["uint32_t"] = "(uint32_t)big()"
    plain["int64_t*"] = "sizes()"
    plain["double*"] = "numbers()"
    plain["float*"] = "floats()"
    plain["_Bool*"] = "flag()"
    plain["int*"] = "an_int()"
    plain["size_t*"] = "a_size()"
    plain["void*"] = "memory()"
    plain["FILE*"] = "file()"
    plain["unsignedchar*"] = "generator_state()"
    plain["tl_module**"] = "NULL"
    plain["tl_dataset**"] = "datasets()"
    plain["structtl_options"] = "options()"
    plain["structtl_layer_options*"] = "layer_options()"
}

!/^#/ { text = text " " $0 }

END {
    gsub(/[ \t]+/, " ", text)
    n = split(text, statements, ";")
    for (s = 1; s <= n; s++) {
        at = index(statements[s], "__attribute__((visibility(\"default\"))) ")
        if (at == 0 || statements[s] ~ /extern/)
            continue
        declaration = substr(statements[s], at + length("__attribute__((visibility(\"default\"))) "))
        sub(/ __attribute__\(\(.*/, "", declaration)
        if (declaration ~ /\(/)
            add(declaration)
    }
    print attributes
    print "static const char *const functions[] = {\n" names "};\nstatic void call(int which)\n{\n    switch (which) {\n" cases "    }\n}"
    exit failed
}
