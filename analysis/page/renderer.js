"use strict";
// Spheres and rods in WebGL 2: two triangles each, rounded in the fragment shader, and two draw calls for all of them.

const SPHERE_VERTEX = `#version 300 es
layout(location=0) in vec4 ball;
layout(location=1) in vec4 paint;
uniform mat3 turn; uniform vec3 centre; uniform vec3 camera; uniform mat4 projection;
out vec3 onPlane; flat out vec3 middle; flat out float radius; flat out vec4 look;
void main() {
  vec2 corner = vec2((gl_VertexID & 1) * 2 - 1, (gl_VertexID & 2) - 1);
  middle = turn * (ball.xyz - centre) - camera;
  radius = ball.w;
  look = paint;
  vec3 away = normalize(middle);
  vec3 right = normalize(cross(away, vec3(0.0, 1.0, 0.0)));
  float reach = radius / sqrt(max(1.0 - radius * radius / dot(middle, middle), 0.01)) * 1.02;
  onPlane = middle + reach * (corner.x * right + corner.y * cross(right, away));
  gl_Position = projection * vec4(onPlane, 1.0);
}`;

const SHADE = `
uniform vec3 paper; uniform vec2 haze;
vec3 shade(vec3 colour, float fade, vec3 place, vec3 normal) {
  vec3 eye = -normalize(place);
  vec3 lamp = normalize(vec3(-0.35, 0.55, 0.8));
  float facing = max(dot(normal, eye), 0.0);
  float diffuse = 0.62 + 0.42 * max(dot(normal, lamp), 0.0);
  float gloss = 0.22 * pow(max(dot(normal, normalize(lamp + eye)), 0.0), 40.0);
  float rim = 0.55 + 0.45 * smoothstep(0.0, 0.55, facing);
  vec3 lit = colour * diffuse * rim + gloss;
  float depth = clamp((-place.z - haze.x) / (haze.y - haze.x), 0.0, 1.0);
  return mix(lit, paper, 1.0 - (1.0 - fade) * (1.0 - 0.55 * depth));
}`;

const SPHERE_FRAGMENT = `#version 300 es
precision highp float;
in vec3 onPlane; flat in vec3 middle; flat in float radius; flat in vec4 look;
uniform mat4 projection;
out vec4 colour;
${SHADE}
void main() {
  vec3 ray = normalize(onPlane);
  float along = dot(ray, middle);
  float inside = along * along - dot(middle, middle) + radius * radius;
  if (inside < 0.0) discard;
  vec3 place = ray * (along - sqrt(inside));
  vec4 clip = projection * vec4(place, 1.0);
  gl_FragDepth = 0.5 + 0.5 * clip.z / clip.w;
  colour = vec4(shade(look.rgb, look.a, place, (place - middle) / radius), 1.0);
}`;

const ROD_VERTEX = `#version 300 es
layout(location=0) in vec4 from;
layout(location=1) in vec4 to;
layout(location=2) in vec4 paint;
uniform mat3 turn; uniform vec3 centre; uniform vec3 camera; uniform mat4 projection; uniform float pixel;
out vec3 place; out float across; out vec4 look; flat out vec3 side; flat out vec3 front;
void main() {
  vec2 corner = vec2((gl_VertexID & 1) * 2 - 1, (gl_VertexID & 2) - 1);
  vec3 a = turn * (from.xyz - centre) - camera, b = turn * (to.xyz - centre) - camera;
  float end = 0.5 + 0.5 * corner.y;
  vec3 axis = normalize(b - a);
  side = cross(axis, normalize(0.5 * (a + b)));
  side = dot(side, side) > 1e-8 ? normalize(side) : vec3(1.0, 0.0, 0.0);
  front = cross(axis, side);
  across = corner.x;
  place = mix(a, b, end);
  place += max(from.w, -0.6 * pixel * place.z) * across * side; // no thinner than a pixel
  look = vec4(paint.rgb, mix(paint.a, to.w, end));
  gl_Position = projection * vec4(place, 1.0);
}`;

const ROD_FRAGMENT = `#version 300 es
precision highp float;
in vec3 place; in float across; in vec4 look; flat in vec3 side; flat in vec3 front;
out vec4 colour;
${SHADE}
void main() {
  vec3 normal = across * side + sqrt(max(1.0 - across * across, 0.0)) * (dot(front, place) > 0.0 ? -front : front);
  colour = vec4(shade(look.rgb, look.a, place, normal), 1.0);
}`;

const FIELD_OF_VIEW = 0.36; // radians; small, so that parallel lines look parallel

class Renderer {
  // `gl`: a WebGL 2 context. Spheres are rows of x y z radius r g b fade; rods of x y z radius, x y z fade at the end,
  // r g b and the fade at the start. A fade of 1 is the colour of the paper.
  constructor(gl) {
    this.gl = gl;
    this.spheres = this.#batch(SPHERE_VERTEX, SPHERE_FRAGMENT, 2);
    this.rods = this.#batch(ROD_VERTEX, ROD_FRAGMENT, 3);
    gl.enable(gl.DEPTH_TEST);
  }

  #batch(vertex, fragment, columns) {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const rows = gl.createBuffer(), corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, rows);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, corners);
    for (let k = 0; k < columns; k++) {
      gl.enableVertexAttribArray(k);
      gl.vertexAttribPointer(k, 4, gl.FLOAT, false, 16 * columns, 16 * k);
    }
    gl.bindVertexArray(null);
    const place = Object.fromEntries(
      ["turn", "centre", "camera", "projection", "paper", "haze", "pixel"].map((name) => [name, gl.getUniformLocation(program, name)]),
    );
    return { program, array, rows, corners, place, stride: 4 * columns, count: 0 };
  }

  fill(batch, rows) {
    const gl = this.gl, n = batch.stride;
    batch.count = rows.length / n;
    const vertices = new Float32Array(4 * rows.length), corners = new Uint32Array(6 * batch.count);
    for (let k = 0; k < batch.count; k++) {
      const row = rows.slice(k * n, (k + 1) * n);
      for (let c = 0; c < 4; c++) vertices.set(row, (4 * k + c) * n);
      corners.set([4 * k, 4 * k + 1, 4 * k + 2, 4 * k + 2, 4 * k + 1, 4 * k + 3], 6 * k);
    }
    gl.bindVertexArray(batch.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, batch.rows);
    gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.DYNAMIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.DYNAMIC_DRAW);
    gl.bindVertexArray(null);
  }

  draw(view, paper) {
    const gl = this.gl;
    const { width, height } = gl.canvas;
    gl.viewport(0, 0, width, height);
    gl.clearColor(...paper, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const near = Math.max(view.distance - 4 * view.radius, 0.02 * view.distance);
    const far = view.distance + 4 * view.radius;
    const focal = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const projection = [
      (focal * height) / width, 0, 0, 0,
      0, focal, 0, 0,
      0, 0, (near + far) / (near - far), -1,
      0, 0, (2 * near * far) / (near - far), 0,
    ];
    for (const batch of [this.rods, this.spheres]) {
      if (!batch.count) continue;
      gl.useProgram(batch.program);
      gl.uniformMatrix3fv(batch.place.turn, true, view.turn.flat());
      gl.uniform3fv(batch.place.centre, view.centre);
      gl.uniform3f(batch.place.camera, view.shift[0], view.shift[1], view.distance);
      gl.uniformMatrix4fv(batch.place.projection, false, projection);
      gl.uniform3fv(batch.place.paper, paper);
      gl.uniform1f(batch.place.pixel, 2 / (focal * height));
      gl.uniform2f(batch.place.haze, view.distance - 0.7 * view.radius, view.distance + 1.3 * view.radius);
      gl.bindVertexArray(batch.array);
      gl.drawElements(gl.TRIANGLES, 6 * batch.count, gl.UNSIGNED_INT, 0);
    }
  }
}

// Where a point is on the canvas, in pixels of the page, with its distance and the pixels per length there.
function project(view, point, width, height) {
  const q = point.map((x, k) => x - view.centre[k]);
  const [x, y, z] = view.turn.map((row, k) => row[0] * q[0] + row[1] * q[1] + row[2] * q[2] - (k < 2 ? view.shift[k] : 0));
  const depth = view.distance - z;
  const scale = height / (2 * Math.tan(FIELD_OF_VIEW / 2) * depth);
  return { x: width / 2 + scale * x, y: height / 2 - scale * y, depth, scale };
}
