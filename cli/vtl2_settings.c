#include "cli/vtl2_settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/vtl2_fields.h"

/* --- the messages --- */

struct device {
    struct vtl2_value device_type, device_path, sub_device_path;
};

struct physical {
    struct vtl2_value type, device, devices;
};

struct lun {
    struct vtl2_value location, device_id, vendor_id, product_id, product_revision_level,
        serial_number, medium_rotation_rate, physical_sector_size, fua, write_cache, odx,
        disable_thin_provisioning, physical_devices, is_dvd, chunk_size_in_kb,
        scsi_disk_size_in_bytes, ntfs_guid;
    struct device legacy;
    struct vtl2_value channel, max_transfer_length, model_number, total_logic_size_in_kb;
};

struct controller {
    struct vtl2_value instance_id, protocol, luns, io_queue_depth;
};

struct settings {
    struct vtl2_value namespace_settings, version, fixed, dynamic;
};

enum {
    TYPE_SINGLE = 1,
    TYPE_STRIPED = 2,
    TYPE_STRIPING = 3, /* an older word for it */
    PROTOCOL_SCSI = 1,
    VERSION_V1 = 1,
    DEVICE_UNKNOWN = 0,
    ROTATION_NONE = 1, /* SSD */
};

#define FIELD(type, member) offsetof(struct type, member), 0, NULL
#define NUMBER(type, member, bits)                                                                 \
    offsetof(struct type, member), (bits) == 32 ? UINT32_MAX : UINT64_MAX, NULL
#define WORDS(type, member, words) offsetof(struct type, member), 0, words

/* clang-format off */
#define DEVICE_FIELDS(type, prefix)                                                                \
    {"device_type", VTL2_ENUM, VTL2_USED, WORDS(type, prefix device_type, "UNKNOWN|NVME|VSCSI")},   \
    {"device_path", VTL2_GUID, VTL2_USED, FIELD(type, prefix device_path)},                        \
    {"sub_device_path", VTL2_NUMBER, VTL2_USED, NUMBER(type, prefix sub_device_path, 32)}

static const struct vtl2_field device_fields[] = {
    DEVICE_FIELDS(device, ),
};

static const struct vtl2_field physical_fields[] = {
    {"type", VTL2_ENUM, VTL2_USED, WORDS(physical, type, "UNKNOWN|SINGLE|STRIPED|STRIPING")},
    {"device", VTL2_OBJECT, VTL2_USED, FIELD(physical, device)},
    {"devices", VTL2_ARRAY, VTL2_USED, FIELD(physical, devices)},
};

static const struct vtl2_field lun_fields[] = {
    {"channel", VTL2_NUMBER, VTL2_SILENT, NUMBER(lun, channel, 32)}, /* of IDE */
    {"location", VTL2_NUMBER, VTL2_USED, NUMBER(lun, location, 32)},
    {"device_id", VTL2_TEXT, VTL2_USED, FIELD(lun, device_id)},
    {"vendor_id", VTL2_TEXT, VTL2_USED, FIELD(lun, vendor_id)},
    {"product_id", VTL2_TEXT, VTL2_USED, FIELD(lun, product_id)},
    {"product_revision_level", VTL2_TEXT, VTL2_USED, FIELD(lun, product_revision_level)},
    {"serial_number", VTL2_TEXT, VTL2_USED, FIELD(lun, serial_number)},
    {"model_number", VTL2_TEXT, VTL2_SILENT, FIELD(lun, model_number)}, /* of IDE and NVMe */
    {"medium_rotation_rate", VTL2_NUMBER, VTL2_USED, NUMBER(lun, medium_rotation_rate, 32)},
    {"physical_sector_size", VTL2_NUMBER, VTL2_USED, NUMBER(lun, physical_sector_size, 32)},
    {"fua", VTL2_BOOL, VTL2_USED, FIELD(lun, fua)},
    {"write_cache", VTL2_BOOL, VTL2_USED, FIELD(lun, write_cache)},
    {"odx", VTL2_BOOL, VTL2_USED, FIELD(lun, odx)},
    {"disable_thin_provisioning", VTL2_BOOL, VTL2_USED, FIELD(lun, disable_thin_provisioning)},
    {"max_transfer_length", VTL2_NUMBER, VTL2_NOTED, NUMBER(lun, max_transfer_length, 64)},
    {"physical_devices", VTL2_OBJECT, VTL2_USED, FIELD(lun, physical_devices)},
    {"is_dvd", VTL2_BOOL, VTL2_USED, FIELD(lun, is_dvd)},
    {"chunk_size_in_kb", VTL2_NUMBER, VTL2_USED, NUMBER(lun, chunk_size_in_kb, 32)},
    {"scsi_disk_size_in_bytes", VTL2_NUMBER, VTL2_USED, NUMBER(lun, scsi_disk_size_in_bytes, 64)},
    {"ntfs_guid", VTL2_GUID, VTL2_USED, FIELD(lun, ntfs_guid)},
    {"total_logic_size_in_kb", VTL2_NUMBER, VTL2_SILENT, NUMBER(lun, total_logic_size_in_kb, 32)},
    DEVICE_FIELDS(lun, legacy.),
};

static const struct vtl2_field controller_fields[] = {
    {"instance_id", VTL2_GUID, VTL2_USED, FIELD(controller, instance_id)},
    {"protocol", VTL2_ENUM, VTL2_USED, WORDS(controller, protocol, "UNKNOWN|SCSI|IDE|NVME")},
    {"luns", VTL2_ARRAY, VTL2_USED, FIELD(controller, luns)},
    {"io_queue_depth", VTL2_NUMBER, VTL2_NOTED, NUMBER(controller, io_queue_depth, 32)},
};

struct fixed {
    struct vtl2_value scsi_sub_channels, io_ring_size, max_bounce_buffer_pages;
};

static const struct vtl2_field fixed_fields[] = {
    {"scsi_sub_channels", VTL2_NUMBER, VTL2_NOTED, NUMBER(fixed, scsi_sub_channels, 32)},
    {"io_ring_size", VTL2_NUMBER, VTL2_NOTED, NUMBER(fixed, io_ring_size, 32)},
    {"max_bounce_buffer_pages", VTL2_NUMBER, VTL2_NOTED, NUMBER(fixed, max_bounce_buffer_pages, 32)},
};

struct dynamic {
    struct vtl2_value storage_controllers, nic_devices, nic_acceleration;
};

static const struct vtl2_field dynamic_fields[] = {
    {"storage_controllers", VTL2_ARRAY, VTL2_USED, FIELD(dynamic, storage_controllers)},
    {"nic_devices", VTL2_ARRAY, VTL2_USED, FIELD(dynamic, nic_devices)},
};

static const struct vtl2_field nic_device_fields[] = {
    {"nic_devices", VTL2_ARRAY, VTL2_USED, FIELD(dynamic, nic_devices)},
};

static const struct vtl2_field nic_acceleration_fields[] = {
    {"nic_acceleration", VTL2_ARRAY, VTL2_USED, FIELD(dynamic, nic_acceleration)},
};

struct nic {
    struct vtl2_value instance_id, subordinate_instance_id, max_sub_channels;
};

static const struct vtl2_field nic_fields[] = {
    {"instance_id", VTL2_GUID, VTL2_USED, FIELD(nic, instance_id)},
    {"subordinate_instance_id", VTL2_GUID, VTL2_USED, FIELD(nic, subordinate_instance_id)},
    {"max_sub_channels", VTL2_NUMBER, VTL2_USED, NUMBER(nic, max_sub_channels, 32)},
};

static const struct vtl2_field settings_fields[] = {
    {"namespace_settings", VTL2_ARRAY, VTL2_USED, FIELD(settings, namespace_settings)},
    {"version", VTL2_ENUM, VTL2_USED, WORDS(settings, version, "UNKNOWN|V1")},
    {"fixed", VTL2_OBJECT, VTL2_USED, FIELD(settings, fixed)},
    {"dynamic", VTL2_OBJECT, VTL2_USED, FIELD(settings, dynamic)},
};

/* The same without the first: what the namespace "Base" holds. */
static const struct vtl2_field *const base_fields = settings_fields + 1;

struct chunk {
    struct vtl2_value name, settings;
};

static const struct vtl2_field chunk_fields[] = {
    {"namespace", VTL2_TEXT, VTL2_USED, FIELD(chunk, name)},
    {"settings", VTL2_TEXT, VTL2_USED, FIELD(chunk, settings)},
};
/* clang-format on */

/* --- devices --- */

/* The file that the table has for a device. */
static int find_file(const struct vtl2_reading *c, const struct node *at, const struct device *d,
                     const char **ret)
{
    static const char *const types[] = {"unknown", "nvme", "vscsi"};
    const struct pair *pair;
    char name[64];

    if (d->device_type.number == DEVICE_UNKNOWN)
        return json_file_wrong(c->f, at->at, c->error, "device_type is missing, or UNKNOWN");
    if (d->device_path.node == NULL)
        return json_file_wrong(c->f, at->at, c->error, "device_path is missing");
    (void)snprintf(name, sizeof(name), "%s:%s:%" PRIu64, types[d->device_type.number],
                   d->device_path.text, d->sub_device_path.number);
    for (char *letter = name; *letter != '\0'; letter++)
        *letter = (char)tolower((unsigned char)*letter);
    pair = option_find_pair(c->devices, name);
    if (pair == NULL)
        return json_file_wrong(c->f, at->at, c->error,
                               "%s is no file here: say which, --device %s=FILE", name, name);
    *ret = pair->file;
    return 0;
}

static int read_device(const struct vtl2_reading *c, const struct node *n, const char **ret)
{
    struct device d = {0};
    int r = vtl2_read(c, n, "a device", device_fields, COUNT_OF(device_fields), &d);

    return r < 0 ? r : find_file(c, n, &d, ret);
}

static int read_stripe(const struct vtl2_reading *c, const struct physical *p,
                       const struct lun *lun, struct disk_option *disk)
{
    const struct node *first = p->devices.node == NULL ? NULL : p->devices.node->first;
    int r;

    if (p->device.node != NULL || first == NULL || first->next == NULL)
        return json_file_wrong(c->f, lun->physical_devices.node->at, c->error,
                               "a striped disk has at least two devices, and no device");
    r = read_device(c, first, &disk->file);
    for (const struct node *n = first->next; r == 0 && n != NULL; n = n->next) {
        if (disk->members.n == DISK_MEMBERS - 1)
            return json_file_wrong(c->f, n->at, c->error,
                                   "a striped disk has at most %d devices here", DISK_MEMBERS);
        r = read_device(c, n, &disk->members.at[disk->members.n]);
        disk->members.n++;
    }
    disk->chunk_bytes = lun->chunk_size_in_kb.number * 1024; /* 32 bits of KiB: it fits */
    return r;
}

static int read_physical(const struct vtl2_reading *c, const struct lun *lun,
                         struct disk_option *disk)
{
    const struct node *n = lun->physical_devices.node;
    struct physical p = {0};
    int r = vtl2_read(c, n, "physical_devices", physical_fields, COUNT_OF(physical_fields), &p);

    if (r < 0)
        return r;
    if (p.type.number == TYPE_STRIPED || p.type.number == TYPE_STRIPING)
        return read_stripe(c, &p, lun, disk);
    if (p.type.number != TYPE_SINGLE)
        return json_file_wrong(c->f, n->at, c->error, "type is missing, or UNKNOWN");
    if (p.device.node == NULL || (p.devices.node != NULL && p.devices.node->first != NULL))
        return json_file_wrong(c->f, n->at, c->error, "a single disk has one device, no devices");
    return read_device(c, p.device.node, &disk->file);
}

static int read_files(const struct vtl2_reading *c, const struct node *n, const struct lun *lun,
                      struct disk_option *disk)
{
    bool legacy = lun->legacy.device_type.node != NULL || lun->legacy.device_path.node != NULL ||
                  lun->legacy.sub_device_path.node != NULL;

    if (legacy && (lun->physical_devices.node != NULL || lun->is_dvd.yes))
        return json_file_wrong(c->f, n->at, c->error,
                               "the older device_type, device_path and sub_device_path do not go "
                               "with physical_devices or is_dvd");
    if (lun->physical_devices.node != NULL)
        return read_physical(c, lun, disk);
    if (legacy)
        return find_file(c, n, &lun->legacy, &disk->file);
    if (!lun->is_dvd.yes)
        return json_file_wrong(c->f, n->at, c->error,
                               "physical_devices is missing: only a DVD drive may be empty");
    return 0;
}

/* --- what a LUN asks for that cannot be had --- */

/* Values that are those of every disk here, or that only say how fast. */
static int check_wishes(const struct vtl2_reading *c, const struct lun *lun)
{
    const struct {
        const struct vtl2_value *value;
        bool refused;
        const char *why;
    } rows[] = {
        {&lun->medium_rotation_rate,      lun->medium_rotation_rate.number > ROTATION_NONE,
         "medium_rotation_rate: disks do not rotate here, leave it out"                                                                },
        {&lun->physical_sector_size,
         lun->physical_sector_size.number != 512 && lun->physical_sector_size.number != 4096,
         "physical_sector_size: 512 or 4096 is wanted"                                                                                 },
        {&lun->write_cache,               !lun->write_cache.yes,
         "write_cache: disks have one here, and flush it when the guest says so: leave it out"                                         },
        {&lun->disable_thin_provisioning, lun->disable_thin_provisioning.yes,
         "disable_thin_provisioning is not supported: leave it out"                                                                    },
        {&lun->scsi_disk_size_in_bytes,   true,
         "scsi_disk_size_in_bytes is not supported: the file's size counts"                                                            },
        {&lun->ntfs_guid,                 true,                                               "ntfs_guid: disks are not formatted here"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].value->node != NULL && rows[i].refused)
            return json_file_wrong(c->f, rows[i].value->node->at, c->error, "%s", rows[i].why);
    }
    return 0;
}

static bool differs(const struct vtl2_value *value, const char *ours)
{
    size_t len;

    if (value->node == NULL)
        return false;
    len = strlen(value->text);
    while (len > 0 && value->text[len - 1] == ' ')
        len--;
    return len > 0 && (len != strlen(ours) || strncmp(value->text, ours, len) != 0);
}

/* Names and hints. No data, size or place of the guest depends on them. */
static void note_wishes(const struct vtl2_reading *c, const struct lun *lun)
{
    if (differs(&lun->vendor_id, "Msft"))
        vtl2_note(c, lun->vendor_id.node, "vendor_id is not used: the guest sees Msft");
    if (differs(&lun->product_id, lun->is_dvd.yes ? "Virtual DVD-ROM" : "Virtual Disk"))
        vtl2_note(c, lun->product_id.node,
                  "product_id is not used: the guest sees Virtual Disk, or Virtual DVD-ROM");
    if (differs(&lun->product_revision_level, "1.0"))
        vtl2_note(c, lun->product_revision_level.node,
                  "product_revision_level is not used: the guest sees 1.0");
    if (lun->fua.node != NULL && !lun->fua.yes)
        vtl2_note(c, lun->fua.node, "fua is not used: writes that go through are possible");
    if (lun->odx.yes)
        vtl2_note(c, lun->odx.node, "odx is not used: the guest copies by itself");
}

/* --- controllers --- */

static int read_lun(const struct vtl2_reading *c, const struct node *n, uint64_t controller)
{
    struct disk_option disk = disk_option_default();
    struct lun lun = {0};
    char why[OPTION_WHY_BYTES];
    int r = vtl2_read(c, n, "a LUN", lun_fields, COUNT_OF(lun_fields), &lun);

    if (r == 0)
        r = check_wishes(c, &lun);
    if (r == 0)
        r = read_files(c, n, &lun, &disk);
    if (r < 0)
        return r;
    if (lun.location.number >= DISK_LUNS)
        return json_file_wrong(c->f, lun.location.node->at, c->error,
                               "location: a number from 0 to %d is wanted", DISK_LUNS - 1);
    note_wishes(c, &lun);
    disk.controller = controller;
    disk.lun = lun.location.number;
    disk.kind = lun.is_dvd.yes ? DISK_OPTION_DVD : DISK_OPTION_DISK;
    disk.physical_block_bytes = lun.physical_sector_size.number;
    disk.serial = lun.serial_number.node != NULL && *lun.serial_number.text != '\0'
                      ? lun.serial_number.text
                      : NULL;
    disk.identity =
        lun.device_id.node != NULL && *lun.device_id.text != '\0' ? lun.device_id.text : NULL;
    disk.from = json_file_place(c->f, n->at, c->pool);
    if (disk_option_add(c->disks, &disk, c->pool, why) < 0)
        return json_file_wrong(c->f, n->at, c->error, "%s", why);
    return 0;
}

struct known_controllers {
    const char *ids[DISK_CONTROLLERS];
    uint64_t n;
};

static int add_controller(const struct vtl2_reading *c, const struct node *n,
                          const struct controller *controller, struct known_controllers *known)
{
    for (uint64_t i = 0; i < known->n; i++) {
        if (strcasecmp(known->ids[i], controller->instance_id.text) == 0)
            return json_file_wrong(c->f, controller->instance_id.node->at, c->error,
                                   "instance_id: another controller has the same");
    }
    if (known->n == DISK_CONTROLLERS)
        return json_file_wrong(c->f, n->at, c->error, "at most %d SCSI controllers are possible",
                               DISK_CONTROLLERS);
    known->ids[known->n++] = controller->instance_id.text;
    return 0;
}

static int read_controller(const struct vtl2_reading *c, const struct node *n,
                           struct known_controllers *known)
{
    static const char *const names[] = {"UNKNOWN", "SCSI", "IDE", "NVMe"};
    struct controller controller = {0};
    const struct node *luns;
    int r = vtl2_read(c, n, "a controller", controller_fields, COUNT_OF(controller_fields),
                      &controller);

    if (r < 0)
        return r;
    if (controller.instance_id.node == NULL)
        return json_file_wrong(c->f, n->at, c->error, "instance_id is missing");
    if (controller.protocol.number != PROTOCOL_SCSI)
        return json_file_wrong(
            c->f, controller.protocol.node != NULL ? controller.protocol.node->at : n->at, c->error,
            "protocol %s is not supported: make it a SCSI controller",
            names[controller.protocol.number]);
    r = add_controller(c, n, &controller, known);
    luns = controller.luns.node == NULL ? NULL : controller.luns.node->first;
    for (; r == 0 && luns != NULL; luns = luns->next)
        r = read_lun(c, luns, known->n - 1);
    return r;
}

/* --- the document --- */

static int read_nics(const struct vtl2_reading *c, const struct vtl2_value *list)
{
    int r = 0;

    if (list->node == NULL || list->node->first == NULL)
        return 0;
    for (const struct node *n = list->node->first; r == 0 && n != NULL; n = n->next) {
        struct nic nic = {0};

        r = vtl2_read(c, n, "a network adapter", nic_fields, COUNT_OF(nic_fields), &nic);
    }
    vtl2_note(c, list->node, "network adapters are read and not used yet");
    return r;
}

static int read_dynamic(const struct vtl2_reading *c, const struct node *n)
{
    struct dynamic dynamic = {0};
    struct known_controllers known = {0};
    const struct node *controllers;
    int r = vtl2_read(c, n, "dynamic", dynamic_fields, COUNT_OF(dynamic_fields), &dynamic);

    if (r < 0)
        return r;
    controllers =
        dynamic.storage_controllers.node == NULL ? NULL : dynamic.storage_controllers.node->first;
    for (; r == 0 && controllers != NULL; controllers = controllers->next)
        r = read_controller(c, controllers, &known);
    if (r == 0 && known.n > 0)
        vtl2_note(c, dynamic.storage_controllers.node,
                  "instance_id of a controller is not used: Bulkhead's controllers have their own");
    return r < 0 ? r : read_nics(c, &dynamic.nic_devices);
}

static int read_base(const struct vtl2_reading *c, const struct node *n, const struct settings *s)
{
    struct fixed fixed = {0};
    int r = 0;

    if (s->version.number != VERSION_V1)
        return json_file_wrong(c->f, s->version.node != NULL ? s->version.node->at : n->at,
                               c->error, "version: \"V1\" is wanted");
    if (s->fixed.node != NULL)
        r = vtl2_read(c, s->fixed.node, "fixed", fixed_fields, COUNT_OF(fixed_fields), &fixed);
    if (r == 0 && s->dynamic.node != NULL)
        r = read_dynamic(c, s->dynamic.node);
    return r;
}

static int read_base_namespace(const struct vtl2_reading *c, const struct node *root)
{
    struct settings s = {0};
    int r = vtl2_read(c, root, "the settings", base_fields, COUNT_OF(settings_fields) - 1, &s);

    return r < 0 ? r : read_base(c, root, &s);
}

static int read_nic_devices(const struct vtl2_reading *c, const struct node *root)
{
    struct dynamic d = {0};
    int r = vtl2_read(c, root, "the settings", nic_device_fields, COUNT_OF(nic_device_fields), &d);

    return r < 0 ? r : read_nics(c, &d.nic_devices);
}

static int read_nic_acceleration(const struct vtl2_reading *c, const struct node *root)
{
    struct dynamic d = {0};
    int r = vtl2_read(c, root, "the settings", nic_acceleration_fields,
                      COUNT_OF(nic_acceleration_fields), &d);

    return r < 0 ? r : read_nics(c, &d.nic_acceleration);
}

static const struct namespace_row {
    const char *name;
    int (*read)(const struct vtl2_reading *c, const struct node *root);
} namespaces[] = {
    {"Base",                read_base_namespace  },
    {"NetworkDevice",       read_nic_devices     },
    {"NetworkAcceleration", read_nic_acceleration},
};

/* A document in the document, as base64. It has lines and columns of its own. */
static int read_inner(const struct vtl2_reading *c, const struct node *n,
                      const struct namespace_row *row, const char *text)
{
    struct vtl2_reading inner = *c;
    struct json_file f = {0};
    char *bytes = NULL;
    size_t len = 0;
    char *place = json_file_place(c->f, n->at, c->pool);
    int r = vtl2_base64(text, c->pool, &bytes, &len);

    if (r < 0 || place == NULL)
        return json_file_wrong(c->f, n->at, c->error, "settings: base64 is wanted");
    if (bytes[strspn(bytes, " \t\r\n\f\v")] != '{')
        return json_file_wrong(c->f, n->at, c->error,
                               "settings of %s are not JSON: protocol buffers are not read here",
                               row->name);
    place = pool_printf(c->pool, "%s: in %s", place, row->name);
    if (place == NULL)
        return json_file_wrong(c->f, n->at, c->error, "no memory");
    r = json_file_parse(place, bytes, len, &f, c->error);
    inner.f = &f;
    if (r == 0)
        r = row->read(&inner, document_root(f.document));
    json_file_done(&f);
    return r;
}

static int read_chunk(const struct vtl2_reading *c, const struct node *n)
{
    struct chunk chunk = {0};
    int r = vtl2_read(c, n, "a namespace", chunk_fields, COUNT_OF(chunk_fields), &chunk);

    if (r < 0)
        return r;
    if (chunk.name.node == NULL || chunk.settings.node == NULL)
        return json_file_wrong(c->f, n->at, c->error, "%s is missing",
                               chunk.name.node == NULL ? "namespace" : "settings");
    for (size_t i = 0; i < COUNT_OF(namespaces); i++) {
        if (strcmp(namespaces[i].name, chunk.name.text) == 0)
            return read_inner(c, chunk.settings.node, &namespaces[i], chunk.settings.text);
    }
    return json_file_wrong(c->f, chunk.name.node->at, c->error, "no such namespace: %.64s",
                           chunk.name.text);
}

/* The later one of settings without a namespace and those of "Base" would count: one is wanted. */
int vtl2_settings_apply(const struct json_file *f, const struct pair_list *devices,
                        struct disk_list *disks, struct vtl2_notes *notes, struct pool *pool,
                        char error[JSON_FILE_ERROR_BYTES])
{
    const struct vtl2_reading c = {
        .f = f, .devices = devices, .disks = disks, .notes = notes, .pool = pool, .error = error};
    const struct node *root = document_root(f->document);
    const struct node *chunks;
    struct settings s = {0};
    bool plain;
    int r = vtl2_read(&c, root, "the settings", settings_fields, COUNT_OF(settings_fields), &s);

    if (r < 0)
        return r;
    chunks = s.namespace_settings.node == NULL ? NULL : s.namespace_settings.node->first;
    plain = s.fixed.node != NULL || s.dynamic.node != NULL || s.version.node != NULL;
    if (plain && chunks != NULL)
        return json_file_wrong(f, s.namespace_settings.node->at, error,
                               "namespace_settings do not go with settings outside of them");
    if (chunks == NULL)
        return read_base(&c, root, &s);
    for (; r == 0 && chunks != NULL; chunks = chunks->next)
        r = read_chunk(&c, chunks);
    return r;
}
