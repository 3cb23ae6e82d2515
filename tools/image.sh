# tools/image.sh - initramfs images: first a plan of what goes where, then the files, then one
# archive. Sourced, never run, after tools/lib.sh.
#
# The plan comes first because its digest names the image in the cache: nothing is copied when an
# image of the same plan, made of the same files, is there already.
# shellcheck shell=bash

plan=() # "DESTINATION<TAB>SOURCE", or "DESTINATION<TAB>-> TARGET" for a symbolic link

plan_file() { # SOURCE DESTINATION
    plan+=("$2"$'\t'"$1")
}

plan_link() { # DESTINATION TARGET
    plan+=("$1"$'\t'"-> $2")
}

# The paths of the libraries in the output of ldd, loader included. A static program has none.
library_paths() {
    awk '/not found/ { print $1 | "cat >&2"; exit 1 }
         $2 == "=>" && $3 ~ /^\// { print $3 }
         $2 != "=>" && $1 ~ /^\// { print $1 }'
}

# The readers of these pipes must read to the end: with pipefail, a writer that dies of SIGPIPE
# counts.
is_dynamic() { # FILE
    LC_ALL=C readelf --wide --dynamic -- "$1" 2>/dev/null | grep '(NEEDED)' >/dev/null
}

# A program, or a library that programs open by name, with the libraries it needs.
plan_program() { # SOURCE DESTINATION
    local libraries library
    plan_file "$1" "$2"
    is_dynamic "$1" || return 0
    libraries=$(ldd -- "$1" | library_paths) || die "$1 lacks a library on this machine"
    while IFS= read -r library; do
        plan_file "$library" "$library"
    done <<<"$libraries"
}

# Every folder below a root that holds libraries, as the loader's search path: packages keep some
# in folders of their own.
library_folders() { # ROOT
    find "$1/usr/lib" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :
}

# The libraries of a program from an unpacked package. Where the machine has the library too, its
# copy is taken: the C library's parts must all come from one build.
plan_package_libraries() { # PROGRAM ROOT FOLDERS
    local libraries library name
    libraries=$("$2/lib64/ld-linux-x86-64.so.2" --library-path "$3" --list "$1" | library_paths) ||
        die "$1 lacks a library"
    while IFS= read -r library; do
        name=${library#"$2"}
        [[ -e $name ]] && library=$name
        plan_file "$library" "$name"
    done <<<"$libraries"
}

# All files of a package unpacked by tools/get-package.
plan_package() { # FOLDER
    local file name folders
    folders=$(library_folders "$1/all")
    while IFS= read -r file; do
        name=${file#"$1/own"}
        if [[ -L $file ]]; then
            plan_link "$name" "$(readlink -- "$file")"
        else
            plan_file "$file" "$name"
            ! is_dynamic "$file" || plan_package_libraries "$file" "$1/all" "$folders"
        fi
    done < <(find "$1/own" -mindepth 2 \( -type f -o -type l \) | LC_ALL=C sort)
}

plan_busybox() {
    local busybox applet
    busybox=$(command -v busybox) || die "busybox is not installed"
    ! is_dynamic "$busybox" || die "busybox is not the static one: install busybox-static"
    plan_file "$busybox" /usr/bin/busybox
    while IFS= read -r applet; do
        [[ $applet == busybox ]] || plan_link "/usr/bin/$applet" busybox
    done < <("$busybox" --list)
}

# Kernel modules with all they depend on, and a file that lists them in the order to load. What the
# kernel has built in or does not know is left out.
plan_modules() { # KERNEL-FOLDER MODULE...
    local folder=$1 version name module
    shift
    version=$(ls -- "$folder/lib/modules")
    while IFS= read -r module; do
        name=${module#"$folder"}
        plan_file "$module" "${name%.[xz][zs]*}"
    done < <(module_files "$folder" "$version" "$@")
}

module_files() { # KERNEL-FOLDER VERSION MODULE...
    local folder=$1 version=$2 module
    shift 2
    for module; do
        # The machine's own module configuration has no say in what the image holds.
        modprobe --config /dev/null --dirname "$folder" --set-version "$version" \
            --show-depends "$module" 2>/dev/null || true
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# The planned modules in their order, as paths in the image.
planned_modules() {
    printf '%s\n' "${plan[@]}" | cut -f 1 | grep '\.ko$' || true
}

# Names the image: the plan, the size and time of every file in it, and the tools that made it.
plan_digest() { # TOOL...
    {
        printf '%s\n' "${plan[@]}"
        printf '%s\n' "${plan[@]}" | cut -f 2 | grep -v '^-> ' |
            xargs -d '\n' stat --dereference --format '%n %s %a %.Y' --
        cat -- "$@"
    } | digest
}

copy_file() { # SOURCE DESTINATION
    case $1 in
        *.ko.xz) xz --decompress --stdout -- "$1" >"$2" ;;
        *.ko.zst) zstd --quiet --decompress --stdout -- "$1" >"$2" ;;
        *) cp --dereference --preserve=mode -- "$1" "$2" ;;
    esac
}

# Carry the plan out. The first entry for a destination wins, so what is planned early cannot be
# replaced by what a package or an applet of the same name brings.
build_root() { # ROOT
    local entry destination source
    make_folders "$1"
    for entry in "${plan[@]}"; do
        destination=$1${entry%%$'\t'*}
        source=${entry#*$'\t'}
        [[ ! -e $destination && ! -L $destination ]] || continue
        [[ -d ${destination%/*} ]] || mkdir -p -- "${destination%/*}"
        if [[ $source == '-> '* ]]; then
            ln -s -- "${source#-> }" "$destination"
        else
            copy_file "$source" "$destination"
        fi
    done
}

make_folders() { # ROOT
    local name
    mkdir -p "$1"/{usr/{bin,sbin,lib,lib64},proc,sys,dev,run,tmp,root,etc/bulkhead}
    for name in bin sbin lib lib64; do
        ln -s "usr/$name" "$1/$name"
    done
    chmod 1777 "$1/tmp"
}

# One uncompressed newc archive, the same for the same files: unpacking compressed ones takes an
# emulated CPU longer than copying the larger file.
pack() { # ROOT ARCHIVE
    (
        cd "$1" || exit
        find . -exec touch --no-dereference --date @0 {} +
        find . -mindepth 1 -print0 | LC_ALL=C sort -z |
            cpio --quiet --null --create --format newc --owner 0:0 --reproducible
    ) >"$2"
}
