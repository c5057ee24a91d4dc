"""Adds a parameter, a field of every kind, and operations to the contract: the examples of the guide, and more."""

import re
import sys
import textwrap

# Every kind of field: its name, its schema, and whether it is plain, so that `nullable` can be added.
FIELDS = [
    ("zz_text", "{type: string, description: A text., example: a text}"),
    ("zz_bounded", "{type: string, minLength: 1, maxLength: 9, pattern: '^a', example: abc}"),
    ("zz_uri", "{type: string, format: uri}"),
    ("zz_uuid", "{type: string, format: uuid}"),
    ("zz_date_time", "{type: string, format: date-time}"),
    ("zz_flag", "{type: boolean, deprecated: true}"),
    ("zz_integer", "{type: integer}"),
    ("zz_small", "{type: integer, minimum: 1, maximum: 5, example: 3}"),
    ("zz_int32", "{type: integer, format: int32}"),
    ("zz_int64", "{type: integer, format: int64}"),
    ("zz_uint64", "{type: integer, format: uint64}"),
    ("zz_negative", "{type: integer, minimum: -5, maximum: -1, example: -2}"),
    ("zz_number", "{type: number, example: 1.5}"),
    ("zz_enum", "{type: string, enum: [one, two-three]}"),
    ("zz_open_enum", "{type: string, x-extensible-enum: [one, two-three]}"),
    ("zz_object", "{type: object, required: [a], properties: {a: {type: string}, b: {type: integer}}}"),
    ("zz_map", "{type: object}"),
    ("zz_integers_by_name", "{type: object, additionalProperties: {type: integer}}"),
    ("zz_texts_by_name", "{type: object, additionalProperties: {type: string}}"),
    ("zz_texts", "{type: array, items: {type: string}}"),
    ("zz_objects", "{type: array, items: {type: object, properties: {a: {type: string}}}}"),
    ("zz_any", "{}"),
    ("os-x:y z", "{type: string, x-rust-name: os_x}"),
    ("type", "{type: string, x-rust-name: kind}"),
    ("camelCase", "{type: string}"),
    ("1st", "{type: string, x-rust-name: first}"),
]
# By reference.
COMPONENTS = [
    ("zz_ref_text", "Text", "{type: string, minLength: 1, maxLength: 9, pattern: '^[a-z]+$'}"),
    ("zz_ref_enum", "Colour", "{description: A colour., type: string, x-extensible-enum: [red, light-green]}"),
    ("zz_ref_object", "Point", "{type: object, required: [x], properties: {x: {type: integer}, y: {type: integer}}}"),
    ("zz_ref_array", "Points", "{type: array, items: {$ref: '#/components/schemas/Point'}}"),
    ("zz_ref_map", "PointsByName", "{type: object, additionalProperties: {$ref: '#/components/schemas/Point'}}"),
    ("zz_ref_time", "Timestamp", None),
    ("zz_ref_null_time", "NullableTimestamp", None),
]
LIMITS = "{type: object, required: [total], properties: {total: {type: integer}, rate: {type: object}}}"


def reference(name):
    return "{$ref: '#/components/schemas/%s'}" % name


def properties(indent):
    """All kinds, as they are, and nullable."""
    lines = []
    for name, schema in FIELDS + [(name, reference(component)) for name, component, _ in COMPONENTS]:
        lines.append(f"'{name}': {schema}")
        if name.startswith("zz_"):
            nullable = schema[:-1] + ("" if schema == "{}" else ", ") + "nullable: true}"
            if "$ref" in schema[:6]:
                nullable = "{nullable: true, allOf: [%s]}" % schema
            lines.append(f"'{name}_or_null': {nullable}")
    return "".join(f"{indent}{line}\n" for line in lines)


def names():
    both = [name for name, _ in FIELDS] + [name for name, _, _ in COMPONENTS]
    return both + [f"{name}_or_null" for name in both if name.startswith("zz_")]


RESPONSE = """\
      responses:
        '200':
          headers: *headers
          content:
            application/json:
              schema: %s
        '404': *404

"""
OPERATIONS = (
    """\
  /v3/{project_id}/backups/{backup_id}/parts/{part_id}:
    get:
      operationId: show_backup_part
      summary: Show a part of a backup
      parameters:
        - $ref: '#/components/parameters/project_id'
        - $ref: '#/components/parameters/backup_id'
        - {name: part_id, in: path, required: true, description: The id of the part., schema: {type: string, maxLength: 20}}
"""
    + RESPONSE % "{type: object, required: [part], properties: {part: %s}}" % reference("Part")
    + """\
  /v3/{project_id}/limits:
    get:
      operationId: show_limits
      summary: Show the limits of the project
      x-openstack: {min-ver: "3.61"}
      parameters: [$ref: '#/components/parameters/project_id']
"""
    + RESPONSE % reference("Limits")
)
SCHEMAS = "".join(f"    {name}: {schema}\n" for _, name, schema in COMPONENTS if schema) + (
    f"    Limits: {LIMITS}\n"
    "    Part:\n      type: object\n      required: %s\n      properties:\n        id: {type: string}\n%s"
    % (["id", *names()], properties("        "))
)

guide, path = sys.argv[1:]
parameter, field, operation = re.findall(r"```yaml\n(.*?)```", open(guide).read(), re.DOTALL)
contract = open(path).read()
for before, new in [
    ("        - $ref: '#/components/parameters/limit'\n", "        - $ref: '#/components/parameters/created_at_like'\n"),
    ("    limit:\n", textwrap.indent(parameter, "    ")),
    ("        id: *id\n        name: *name\n        status:\n", properties("        ") + textwrap.indent(field, "        ")),
    ("components:\n", OPERATIONS + textwrap.indent(operation, "  ") + "\n"),
    ("    Backup:\n", SCHEMAS),
]:
    assert contract.count("\n" + before) == 1, before
    contract = contract.replace("\n" + before, "\n" + new + before)
open(path, "w").write(contract)
