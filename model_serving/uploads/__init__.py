"""Files in requests: base64 in JSON, forms and bodies that are one file; images as arrays.

- `body_reader.BodyReader`: reads the bodies of a model that takes files
- `body_reader.FORM`: the media type of a form
- `files.FileProperty`: a property that is bytes
- `files.OCTETS`: the media type of bytes of any kind
- `files.base64_bytes`: the bytes of a text in base64
- `files.file_properties`: which properties are bytes
- `images.ImageDecoder`: makes arrays of images
"""
