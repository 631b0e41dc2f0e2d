/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of commands, options and environment variables. Help, manual pages, completions and the parser are made
 * from it.
 */
#include "cli/cli.h"

#define AT(field) offsetof(struct settings, field)

static const char *const optimizers[] = {"sgd", "adam", "adamw", "adadelta", "rmsprop", NULL};
static const char *const schedules[] = {"none", "step", "exponential", "cosine", "one-cycle", "plateau", NULL};
static const char *const dtypes[] = {"f32", "f16", "bf16", "f64", NULL};
static const char *const modes[] = {"infer", "train", NULL};
static const char *const formats[] = {"text", "dot", "json", NULL};
static const char *const parts[] = {"recorded", "nodes", "steps", "all", NULL};
static const char *const splits[] = {"train", "test", "all", NULL};

/* ---- Options ------------------------------------------------------------------------------------------------------ */

static const struct option
    help = {"help", 'h', FLAG, NULL, "show this help and exit", NULL, AT(help), 0, 0, NULL},
    version = {"version", 'V', FLAG, NULL, "show the version and exit", NULL, AT(version), 0, 0, NULL},
    json = {"json", 'j', FLAG, NULL, "write JSON, one object a line, for programs", NULL, AT(json), 0, 0, NULL},
    quiet = {"quiet", 'q', FLAG, NULL, "say nothing but results and errors", NULL, AT(quiet), 0, 0, NULL},
    device = {"device", 'D', BACKEND_NAME, "LIST", "backends to use, best first: \"cuda,cpu\"; beats TELAR_BACKEND", NULL,
              AT(device), 0, 0, NULL},
    threads = {"threads", 't', INTEGER, "N", "threads to compute with; 0: TELAR_NUM_THREADS, or as many as there are cores", "0", AT(threads), 0, 1024,
               NULL},
    strict = {"strict", 0, FLAG, NULL, "results that do not depend on the number of threads (TELAR_MATH=strict)", NULL,
              AT(strict), 0, 0, NULL},
    model_option = {"option", 'o', ASSIGNMENT, "NAME=VALUE", "set an option of the model; may be repeated (see telar models MODEL)",
                    NULL, AT(options), 0, 0, NULL},
    data = {"data", 'd', DATA_NAME, "DATA", "data set by name, or a path to one (see telar data); default: what the model is made for",
            NULL, AT(data), 0, 0, NULL},
    bench_data = {"data", 'd', DATA_NAME, "DATA", "time a batch of this data set; default: random input", NULL, AT(data), 0, 0, NULL},
    data_option = {"data-option", 0, ASSIGNMENT, "NAME=VALUE", "set an option of the data set; may be repeated (see telar data DATA)", NULL,
                   AT(data_options), 0, 0, NULL},
    path = {"path", 0, FILE_NAME, "PATH", "file or folder where the data set lies", NULL, AT(path), 0, 0, NULL},
    label = {"label", 0, WORD, "COLUMN", "tables: name or number (from 0) of the column to predict", NULL, AT(label), 0, 0, NULL},
    no_header = {"no-header", 0, FLAG, NULL, "tables: the first row is data, not names", NULL, AT(no_header), 0, 0, NULL},
    standardize = {"standardize", 0, FLAG, NULL, "tables: bring every column of features to mean 0 and deviation 1", NULL, AT(standardize), 0, 0,
                   NULL},
    split = {"split", 0, CHOICE, "PART", "part of the data to use", "test", AT(split), 0, 0, splits},
    hold_out = {"hold-out", 0, NUMBER, "SHARE",
                "validate on this share of the training data rather than on the test part", NULL, AT(hold_out), 0, 0.9, NULL},
    workers = {"workers", 'w', INTEGER, "N", "threads that prepare batches ahead", "0", AT(workers), 0, 256, NULL},
    epochs = {"epochs", 'e', INTEGER, "N", "passes over the training data, those before --resume included", "10", AT(epochs), 1,
              1000000, NULL},
    batch = {"batch", 'b', INTEGER, "N", "samples in a batch; the model may have a default of its own", "64", AT(batch), 1, 1 << 20, NULL},
    batch1 = {"batch", 'b', INTEGER, "N", "samples in a batch", "1", AT(batch), 1, 1 << 20, NULL},
    predict_batch = {"batch", 'b', INTEGER, "N", "samples or pictures that go through the model at a time", "16", AT(batch), 1, 1 << 20, NULL},
    seed = {"seed", 's', INTEGER, "N", "seed of all random numbers; default: a fresh one, which is printed and saved", NULL,
            AT(seed), 0, 9.2e18, NULL},
    draw_seed = {"seed", 's', INTEGER, "N", "seed of the draw of samples; default: a fresh one", NULL, AT(seed), 0, 9.2e18, NULL},
    lr = {"lr", 'l', NUMBER, "X", "learning rate; default: the model's, or 1 for adadelta, 0.01 for rmsprop, 0.001 for the others", NULL, AT(lr), 0, 1e6,
          NULL},
    optimizer = {"optimizer", 'O', CHOICE, "NAME", "how to descend; the model may have a default of its own", "adam", AT(optimizer), 0, 0, optimizers},
    momentum = {"momentum", 0, NUMBER, "X", "momentum of sgd and rmsprop; beta1 of adam and adamw, where 0 stands for 0.9", "0", AT(momentum), 0, 1, NULL},
    weight_decay = {"weight-decay", 0, NUMBER, "X", "weight decay; default: the optimizer's own", NULL, AT(weight_decay), 0, 1e6,
                    NULL},
    schedule = {"schedule", 0, CHOICE, "NAME", "how the learning rate changes over the epochs", "none", AT(schedule), 0, 0, schedules},
    compile = {"compile", 0, FLAG, NULL, "make a program of the pass or step, recorded once: the same numbers, faster", NULL, AT(compile), 0, 0, NULL},
    clip = {"clip", 0, NUMBER, "NORM", "scale gradients down to this total norm; 0: never", "0", AT(clip), 0, 1e9, NULL},
    patience = {"patience", 0, INTEGER, "N", "stop after N epochs without a better validation loss, and keep the best; 0: never", "0",
                AT(patience), 0, 1000000, NULL},
    save = {"save", 'S', FILE_NAME, "FILE", "save a checkpoint after every epoch, in the format of its name; default: the file of --resume",
            NULL, AT(save), 0, 0, NULL},
    resume = {"resume", 'r', FILE_NAME, "FILE", "go on from a checkpoint, as if the run had never stopped, and keep it up to date", NULL,
              AT(resume), 0, 0, NULL},
    weights = {"weights", 'W', FILE_NAME, "FILE", "weights to load: a checkpoint, any weight file, or a name that MODEL lists (telar models MODEL)",
               NULL, AT(weights), 0, 0, NULL},
    freeze = {"freeze", 0, WORD, "PATTERN", "do not train the parameters whose names match: '*' is all, 'layer1.*,conv1.*' some; batch norms that are frozen whole keep their statistics", NULL, AT(freeze), 0,
              0, NULL},
    replace = {"replace", 0, WORD, "NAME=N[,N...]",
               "put linear layers of these sizes in the place of the layer NAME, after weights and --freeze: fc=10, classifier.6=200,10", NULL,
               AT(replace), 0, 0, NULL},
    resize = {"resize", 0, INTEGER, "N", "bring pictures to N x N; 0: as they are", "0", AT(resize), 0, 8192, NULL},
    dtype = {"dtype", 0, CHOICE, "TYPE", "type of weights and inputs", "f32", AT(dtype), 0, 0, dtypes},
    cache_features = {"cache-features", 0, FLAG, NULL,
                      "compute what reaches the layer of --replace once, and train on that; all else must be frozen, and is in evaluation mode", NULL,
                      AT(cache_features), 0, 0, NULL},
    plot = {"plot", 'p', FILE_NAME, "FILE", "draw the learning curve, as .svg or .png (needs gnuplot)", NULL, AT(plot), 0, 0, NULL},
    history = {"history", 0, FILE_NAME, "FILE", "write the learning curve's numbers as CSV", NULL, AT(history), 0, 0, NULL},
    confusion = {"confusion", 'c', FLAG, NULL, "print the confusion matrix, too", NULL, AT(confusion), 0, 0, NULL},
    count = {"count", 'n', INTEGER, "N", "samples to predict", "3", AT(count), 1, 1000000, NULL},
    samples = {"count", 0, INTEGER, "N", "samples to make", "64", AT(count), 1, 100000, NULL},
    new_seed = {"seed", 's', INTEGER, "N", "seed of all random numbers; default: a fresh one", NULL, AT(seed), 0, 9.2e18, NULL},
    columns = {"columns", 0, INTEGER, "N", "pictures in a row of the grid", "8", AT(columns), 1, 4096, NULL},
    output = {"output", 0, FILE_NAME, "FILE", "write pictures to FILE: .png, or .pgm and .ppm", NULL, AT(output), 0, 0, NULL},
    pairs = {"output", 0, FILE_NAME, "FILE", "of a model that reconstructs: write the pairs of pictures to FILE, .png, .pgm or .ppm, four in a row", NULL,
             AT(output), 0, 0, NULL},
    input = {"input", 'i', WORD, "SHAPE", "shape of one input, as 1x28x28; default: the model's", NULL, AT(input), 0, 0, NULL},
    mode = {"mode", 'm', CHOICE, "MODE", "what to time: a forward pass, or a whole training step", "infer", AT(mode), 0, 0, modes},
    graph_mode = {"mode", 'm', CHOICE, "MODE", "what to record: a forward pass, or a whole training step", "infer", AT(mode), 0, 0, modes},
    format = {"format", 'f', CHOICE, "FORMAT", "text for people, dot for graphviz, json for programs", "text", AT(format), 0, 0, formats},
    part = {"part", 0, CHOICE, "PART",
            "the calls as recorded, nodes: those after the passes, the steps that they become, or all; default: all, of dot nodes", NULL, AT(part), 0, 0, parts},
    runs = {"runs", 0, INTEGER, "N", "timed runs at least", "10", AT(runs), 1, 1000000, NULL},
    seconds = {"seconds", 0, NUMBER, "X", "time to spend at least", "1", AT(seconds), 0, 3600, NULL},
    prompt = {"prompt", 'p', WORD, "TEXT", "of a language: what the text begins with; default: a new line, or the first character that there is", NULL, AT(prompt), 0, 0,
              NULL},
    length = {"length", 'n', INTEGER, "N", "characters to write", "500", AT(length), 0, 100000000, NULL},
    temperature = {"temperature", 'T', NUMBER, "X", "0: always the most likely character; 1: as likely as they are; above: more random", "1",
                   AT(temperature), 0, 1000, NULL},
    top_k = {"top-k", 'k', INTEGER, "N", "draw among the N most likely characters only; 0: among all", "0", AT(top_k), 0, 1 << 24, NULL},
    url = {"url", 0, WORD, "URL", "fetch from this address, a mirror for instance, rather than the one that is listed", NULL, AT(url), 0, 0, NULL},
    list = {"list", 0, FLAG, NULL, "list what can be fetched and what is there", NULL, AT(list), 0, 0, NULL},
    page = {"man", 0, CHOICE, "PAGE", "write a manual page", NULL, AT(page), 0, 0,
            (const char *const[]){"telar.1", "telar.7", NULL}};

#define DATA_OPTIONS &data, &path, &data_option, &label, &no_header, &standardize
#define MACHINE_OPTIONS &device, &threads, &strict

/* ---- Commands ----------------------------------------------------------------------------------------------------- */

const struct command commands[] = {
    {.name = "backends", .arguments = "", .run = run_backends,
     .summary = "list backends and their devices",
     .text = "Open every backend that is found and list its devices. A backend that cannot be loaded is listed with the reason.",
     .options = {&json, &help},
     .examples = {{"telar backends", "what this machine can compute with"}}},

    {.name = "models", .arguments = "[MODEL]", .argument = MODEL_NAME, .most = 1, .run = run_models,
     .summary = "list models and what they cost, or one model's options",
     .text = "List the models of all model plugins: parameters, multiply-adds for one input (with the models' defaults), task, and names of weights "
             "that fit. With MODEL also its options, their defaults and ranges, and where weights are to be had; with --json all of it, in exact numbers. "
             "No backend is opened.",
     .options = {&json, &help},
     .examples = {{"telar models", "all models"}, {"telar models mlp", "what can be set of one"}}},

    {.name = "data", .arguments = "[DATA]", .argument = DATA_NAME, .most = 1, .run = run_data,
     .summary = "list data sets, or look at one",
     .text = "List the data sets that plugins can read; with DATA (a name or a path), open it and tell its size, shape, classes and "
             "their shares, and the options that it has.",
     .options = {&path, &data_option, &label, &no_header, &standardize, &json, &help},
     .examples = {{"telar data", "all data sets"},
                  {"telar data digits", "one that is installed with Telar"},
                  {"telar data table.csv --label species", "a table of one's own"}}},

    {.name = "summary", .arguments = "MODEL", .argument = MODEL_NAME, .least = 1, .most = 1, .run = run_summary,
     .summary = "show a model's layers, shapes, parameters and costs",
     .text = "Walk through the model without computing it, and print each layer with the shape of its output, its parameters and its multiply-adds "
             "(of convolutions, matrix products and recurrent layers), their totals, and the memory that running and training the model take. No backend is opened, "
             "no memory taken, and nothing drawn. Where the shape does not fit, the table goes as far as the layer that fails, which the error names.\n\n"
             "Memory is what tensors take that are alive at one time, at most. To run: parameters, buffers, the input, and activations until they are no longer "
             "needed. To train: the same with the optimizer's state, the activations that the forward pass saves, and gradients, over one step "
             "of the optimizer (forward in training mode, backward from the output, update) that is not the first. Not counted is the loss, what an allocator rounds up (by an eighth at most), and "
             "what kernels take for themselves: scratch memory, weights and activations in other layouts, and what recurrent layers keep for their gradient.",
     .options = {&model_option, &batch1, &input, &optimizer, &momentum, &json, &help},
     .examples = {{"telar summary lenet", "one picture at a time"},
                  {"telar summary mlp -o hidden=512:256 --batch 32", "with other layers, for batches of 32"},
                  {"telar summary resnet50 --batch 64 --optimizer sgd --momentum 0.9", "the memory of training it so"}}},

    {.name = "train", .arguments = "[MODEL]", .argument = MODEL_NAME, .most = 1, .computes = true, .run = run_train,
     .summary = "train a model",
     .text = "Train MODEL on the training part of a data set and validate it after each epoch on the test part. The seed is printed, "
             "and saved with the model, its options and the data set's name, so that eval, predict, generate and --resume need not "
             "be told again. Where the command line is silent, a model is trained as its kind usually is: telar models MODEL tells how. At the end a classification report is printed, or of a regression R² and the mean absolute error.\n\n"
             "An interrupt (Ctrl-C) stops after the current batch; with --save the checkpoint lets --resume go on from "
             "there, bit for bit. --resume goes on saving to the file that it read, unless --save names another.\n\n"
             "To transfer what a network has learnt to other data, load its --weights, --freeze them, and --replace its last layer. What reaches "
             "that layer is then the same in every epoch; with --cache-features it is computed once.",
     .options = {DATA_OPTIONS, &hold_out, &model_option, &epochs, &batch, &optimizer, &lr, &momentum, &weight_decay, &schedule, &clip, &compile,
                 &patience, &seed, &workers, &weights, &freeze, &replace, &resize, &dtype, &cache_features, &save, &resume, &plot, &history, &confusion, MACHINE_OPTIONS, &quiet, &json,
                 &help},
     .examples = {{"telar train digits-cnn --epochs 15 --save digits.safetensors --plot digits.svg", "learn to read digits"},
                  {"telar train mnist-cnn --data mnist --path ~/mnist --optimizer adadelta --epochs 3", "a larger one"},
                  {"telar train --resume digits.safetensors --epochs 30", "go on, to 30 epochs in all"},
                  {"telar train resnet18 --weights IMAGENET1K_V1 --freeze '*' --replace fc=200,10 --data cifar10 --resize 224 --cache-features",
                   "transfer: ten classes of small pictures from a network that knows large ones"},
                  {"telar train mlp --data wine --standardize -o hidden=32", "a table"},
                  {"telar train lstm --data text:quijote.txt --data-option seq=100 --clip 5 --save quijote.safetensors", "a language, by characters"},
                  {"telar train mlp --data wine --label alcohol --data-option drop=class --standardize -o hidden= --lr 0.1 --batch 16", "numbers: a regression"}}},

    {.name = "eval", .arguments = "[MODEL]", .argument = MODEL_NAME, .most = 1, .computes = true, .run = run_eval,
     .summary = "measure a trained model",
     .text = "Load weights, run the model over a part of a data set and print loss, accuracy and the classification report. MODEL and "
             "the data set may be left out when the weight file was saved by telar train.",
     .options = {&weights, DATA_OPTIONS, &resize, &dtype, &split, &model_option, &batch, &workers, &confusion, MACHINE_OPTIONS, &quiet, &json, &help},
     .examples = {{"telar eval --weights digits.safetensors --confusion", "on the test part"},
                  {"telar eval lenet --weights lenet.safetensors --data mnist", "with everything said"}}},

    {.name = "predict", .arguments = "[MODEL] [PICTURE...]", .argument = MODEL_NAME, .most = ANY_NUMBER, .computes = true, .run = run_predict,
     .summary = "show what a trained model says of samples",
     .text = "Load weights and print, for samples drawn from a part of a data set, the most likely classes with their probabilities. "
             "Small pictures are drawn in the terminal; of a model that reconstructs its input, input and output side by side, and with --output in a picture "
             "file.\n\n"
             "A PICTURE is a JPEG or PNG file, known by a name ending in .jpg, .jpeg or .png, or a folder, of which all such files are taken, those in its "
             "subfolders too; a folder as the first argument needs a slash (./photos), or it is taken for a model's name. Pictures are turned as their EXIF "
             "data say, made grey if the model takes one channel, resized and cut as the model's table says or else to the model's height and width, and "
             "their values go from 0 for black to 1 for white. A file that cannot be read is told, the others go on, and the exit status is 1.\n\n"
             "Classes bear the names of the data, or those noted with the weights, or the model's. With --json each line has the five best as \"best\" and all "
             "probabilities, in the order of the classes, as \"probabilities\"; a file that cannot be read has an \"error\".",
     .options = {&weights, DATA_OPTIONS, &resize, &dtype, &split, &count, &predict_batch, &draw_seed, &pairs, &model_option, MACHINE_OPTIONS, &quiet,
                 &json, &help},
     .examples = {{"telar predict --weights digits.safetensors", "three held-out digits"},
                  {"telar predict --weights digits.safetensors --count 100 --json", "for another program"},
                  {"telar predict --weights digits.safetensors seven.png", "a picture of one's own"},
                  {"telar predict resnet18 --weights IMAGENET1K_V1 cat.jpg photos/", "what is in photographs"}}},

    {.name = "generate", .arguments = "[MODEL]", .argument = MODEL_NAME, .most = 1, .computes = true, .run = run_generate,
     .summary = "make new samples with a trained model",
     .text = "Load the weights of a model that makes something new, and have it do so. The weights of telar train say which model they belong to. "
             "The same seed makes the same again.\n\n"
             "A model that makes samples (gan, vae) writes --count of them to the picture file --output, a grid with the first at the top left. Samples "
             "without a height and a width are taken for squares; --input says otherwise.\n\n"
             "A language model goes on from a prompt, one character after the other, each drawn with the chances that the model gives it. Its weights must "
             "have been saved by telar train, which notes the characters with them.",
     .options = {&weights, &output, &samples, &columns, &input, &prompt, &length, &temperature, &top_k, &new_seed, &dtype, &model_option,
                 MACHINE_OPTIONS, &quiet, &json, &help},
     .examples = {{"telar generate --weights dcgan.safetensors --output digits.png", "64 pictures of what was learnt"},
                  {"telar generate vae --weights MNIST --count 16 --columns 4 --seed 1 --output digits.png", "with everything said"},
                  {"telar generate --weights quijote.safetensors --prompt 'En un lugar' --temperature 0.7", "a page of a language model's"},
                  {"telar generate --weights quijote.safetensors --top-k 5 --seed 1", "the same text each time"}}},
    {.name = "fetch", .arguments = "[MODEL[:WEIGHTS]...]", .argument = MODEL_NAME, .most = ANY_NUMBER, .run = run_fetch,
     .summary = "download weights that a model lists",
     .text = "Download weights to $XDG_DATA_HOME/telar/weights, where --weights NAME looks for them. MODEL alone is the first that it lists with an "
             "address (telar models MODEL). What is there already is not fetched again.\n\n"
             "A file gets its name when it is whole and its SHA-256 is as listed. Until then it is called NAME.part; after an interruption the next run "
             "goes on from there, if a sum is listed that tells whether the parts fit. Addresses are https, or http where the model lists that or --url "
             "says so; proxies are taken from the variables that libcurl reads (https_proxy, no_proxy).",
     .options = {&list, &url, &quiet, &json, &help},
     .examples = {{"telar fetch resnet18", "then telar predict resnet18 --weights IMAGENET1K_V1 cat.jpg"},
                  {"telar fetch resnet50:IMAGENET1K_V2", "one of several"},
                  {"telar fetch --list", "what there is"}}},

    {.name = "inspect", .arguments = "FILE", .argument = FILE_NAME, .least = 1, .most = 1, .run = run_inspect,
     .summary = "list what a weight file holds",
     .text = "List the tensors of a weight file, of any format that a plugin reads, with shapes, types and bytes, and its notes. Of a checkpoint "
             "of PyTorch, what is not the model's stands under names that begin with telar.rest.\n\n"
             "Of a pickle (.pth) also every name of code that Python would call on loading it: those that make tensors are understood, and not "
             "called either; a file with any other is refused, and its names are listed all the same.",
     .options = {&json, &help},
     .examples = {{"telar inspect digits.safetensors", "names, shapes, types"},
                  {"telar inspect --json download.pth", "what a file would call, for a program"}}},

    {.name = "convert", .arguments = "FROM TO", .argument = FILE_NAME, .least = 2, .most = 2, .run = run_convert,
     .summary = "write a weight file in another format",
     .text = "Read the weight file FROM, of any format that a plugin reads, and write what it holds to TO, in the format that the ending "
             "of its name says (.safetensors, .pth, .npz; .npy for one tensor): all tensors and notes, a checkpoint's too. A file that is there "
             "is replaced, once the new one is whole. What a format cannot hold is refused, and nothing is written.",
     .options = {&quiet, &help},
     .examples = {{"telar convert resnet18.pth resnet18.safetensors", "weights of PyTorch"},
                  {"telar convert digits.safetensors digits.pth", "for torch.load()"}}},

    {.name = "bench", .arguments = "MODEL", .argument = MODEL_NAME, .least = 1, .most = 1, .computes = true, .run = run_bench,
     .summary = "time a model",
     .text = "Time forward passes or training steps on random input in the form that the network takes, or with --data on the first batch "
             "of a data set, preprocessing included. A training step is the model's own if it has one. Printed are the median and the shortest time, the "
             "arithmetic rate that it makes (from the model's multiply-adds; a training step counts as three passes) and the most memory in use.",
     .options = {&mode, &batch1, &model_option, &input, &bench_data, &path, &compile, &runs, &seconds, MACHINE_OPTIONS, &json, &help},
     .examples = {{"telar bench mnist-cnn --batch 64 --mode train", "a training step"},
                  {"telar bench lenet --threads 1 --json", "for a script"}}},

    {.name = "graph", .arguments = "MODEL", .argument = MODEL_NAME, .least = 1, .most = 1, .run = run_graph,
     .summary = "show a model as a recorded program",
     .text = "Record the model's forward pass, or with --mode train a whole training step with its loss and optimizer, as a program, and print it: the calls "
             "of operations as they were recorded, what the passes made of them, and the steps that they become, with each result's layout, bytes, "
             "place in the memory that results share, and lifetime. The input is random; the model's weights do not matter. TELAR_PASSES switches "
             "passes off.",
     .options = {&graph_mode, &format, &part, &batch1, &model_option, &input, &optimizer, MACHINE_OPTIONS, &help},
     .examples = {{"telar graph vgg16 --part steps", "which kernels run, and where their results lie"},
                  {"telar graph resnet18 --format dot | dot -Tsvg -o resnet18.svg", "a picture, with graphviz"},
                  {"telar graph mlp --mode train --format json", "a training step, for a program"}}},

    {.name = "doctor", .arguments = "", .run = run_doctor,
     .summary = "say what was found, what was not, and why",
     .text = "Print versions, the environment variables, every plugin file that was considered with the verdict on it (in the dynamic "
             "linker's own words where it refused), the devices and the threads.",
     .options = {&json, &help},
     .examples = {{"telar doctor", "start here when something is missing"}}},

    {.name = "completion", .arguments = "SHELL", .argument = WORD, .least = 1, .most = 1, .run = run_completion,
     .summary = "write the completions of a shell",
     .text = "Write the completion script of a shell: bash, zsh or fish.",
     .options = {&help},
     .examples = {{"eval \"$(telar completion bash)\"", "complete in this shell"}}},

    {.name = "help", .arguments = "[COMMAND]", .argument = COMMAND_NAME, .most = 1, .run = run_help,
     .summary = "show help",
     .text = "Show the commands, or one command's options and examples. telar help environment lists the environment variables.",
     .options = {&page, &version, &help},
     .examples = {{"telar help train", "one command"}, {"telar help environment", "the variables"}}},
};
const size_t n_commands = sizeof commands / sizeof *commands;

/* ---- Environment ---------------------------------------------------------------------------------------------------- */

const struct variable variables[] = {
    {"TELAR_BACKEND", "LIST",
     "Backends to use, best first, with commas between: \"cuda,cpu\". The first that opens is the default device; one that does not open is "
     "left out with a warning. Backends of host memory are merged into one device, cpu: each operation goes to the first in the list that has "
     "a kernel for it, and to the slow reference last. So \"mine,cpu\" is mine where it has kernels and cpu elsewhere, \"mine\" alone is mine and "
     "reference. Unset: cuda if a device answers, then cpu, then reference. OpenCL is used only by name."},
    {"TELAR_PLUGIN_PATH", "PATHS",
     "Folders or files, with colons between, to search for plugins before the installed ones; of equal names the first wins. A folder has subfolders backends, "
     "models, formats and data. Ignored in set-user-id programs."},
    {"TELAR_DATA", "FOLDER",
     "Where data sets are looked for first, before $XDG_DATA_HOME/telar and what is installed. Ignored in set-user-id programs."},
    {"TELAR_LOG", "LEVEL[,+PART][,-PART]…",
     "What is logged to standard error: error, warn (the default), info or debug; +loader shows everything of one part, -loader "
     "nothing of it. +kernel says which kernel took each call, and why others did not."},
    {"TELAR_FALLBACK", "MODE",
     "What happens to an operation that no kernel of its device takes: reference lets the host compute it, error forbids that. "
     "Unset: the host computes it, and a warning is given once for each operation."},
    {"TELAR_NUM_THREADS", "N",
     "Threads to compute with. Unset: as many as the process may use cores. Under AddressSanitizer set 1 (or TELAR_BACKEND=reference): its "
     "LeakSanitizer cannot stop the threads of the OpenMP library, and dies with \"Tracer caught signal 11\"."},
    {"TELAR_CHECK", "WHAT[,WHAT]",
     "memory: put borders around all blocks of memory and look at them after each kernel, so that one that writes past an end is named, and turn "
     "back what a backend brings into a private layout. reference: run every operation on the reference backend as well and fail at the first difference. The operands "
     "are left in the file telar-divergence-PID-OP.txt in the working directory, from which telar-conformance --replay FILE BACKEND repeats it."},
    {"TELAR_MATH", "MODE",
     "strict: no result depends on the number of threads, convolutions are summed directly (no Winograd), and programs give the very bits of "
     "eager calls. default, or unset: last bits may differ."},
    {"TELAR_PASSES", "-NAME[,-NAME]…",
     "Which passes programs go without, to find out whether a difference comes from there: dead (nodes that nobody needs), fold (batch norms into "
     "convolutions), fuse (chains of operations for one kernel), constants (what is the same at each run is done once), reuse (results in the memory "
     "of operands), or all; +NAME leaves one on, as in -all,+fuse. Unset: all are on, but fold and fuse in strict arithmetic."},
    {"TELAR_ALLOW_TF32", "1 or 0",
     "1: the cuda backend may multiply f32 as TF32, whose ten bits of fraction tensor cores take: several times as fast on large products and "
     "convolutions, and exact to about three digits. Not in strict arithmetic. 0, or unset: f32 is multiplied as f32."},
    {"CUDA_HOME", "FOLDER",
     "The CUDA toolkit whose libraries the cuda backend opens where the dynamic linker does not find them. Unset: CUDA_PATH, else the toolkit that Telar was built "
     "with. Ignored in set-user-id programs."},
    {"CUDA_VISIBLE_DEVICES", "NUMBER[,NUMBER]…",
     "The GPUs that NVIDIA's driver shows, and their order: cuda:0 is the first of them. Unset: all; empty: none."},
    {"TELAR_CPU_ISA", "LEVEL",
     "The most that the cpu backend and its oneDNN may use of the processor: avx512, avx2 or base. Unset: all that it has. For finding out "
     "whether a difference comes from there."},
    {"OMP_WAIT_POLICY", "POLICY",
     "passive: threads of the backend cpu that wait for each other sleep at once; active: they stay awake. Read by the OpenMP library."},
    {"GOMP_SPINCOUNT", "N",
     "Rounds that such a thread waits awake before it sleeps, with GNU OpenMP. Where neither this nor OMP_WAIT_POLICY is set, telar "
     "sets 1000. The library sets no variables: other programs get GNU OpenMP's 300,000, which cost a factor of ten where others "
     "keep the cores busy: start them with one of the two set. (setenv() comes too late: it is read before main().)"},
    {"NO_COLOR", "anything", "Set and not empty: no colours in the terminal."},
    {"XDG_CACHE_HOME", "FOLDER", "Telar's caches lie in its subfolder telar. Unset: ~/.cache."},
    {"XDG_DATA_HOME", "FOLDER", "Telar's data sets lie in its subfolder telar, and weights that telar fetch downloads below that in weights. Unset: ~/.local/share."},
    {NULL, NULL, NULL},
};
